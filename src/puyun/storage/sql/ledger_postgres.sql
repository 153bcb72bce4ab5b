-- The ledger's hot path on PostgreSQL. A batch's rows come as one array a column: `{numbers:3}` stands for three of
-- integers, `{texts:1}` for one of text, `{blobs:1}` of bytes. `{buckets}` and `{bucket_sums}` are as in ledger.sql.
-- Lock order: wallets by organization, then the rest, which belongs to one wallet and is touched only by who has locked it.

-- name: wallets
-- The transaction's number comes along, to ask for its fate should the connection be lost at the commit.
SELECT org, paid, bonus, held, credit_limit, open_invoices, frozen, last, pg_current_xact_id()::text
FROM wallet WHERE org = ANY({numbers:1}) ORDER BY org FOR NO KEY UPDATE;

-- name: budgets
-- Whose budgets a batch may count against, with the windows its calls lie in: all of time, its days, its months.
SELECT b.org, b.subject, b.number, b.id, b.period, b.hard, b.amount, b.since, w.number, w.spent, w.held
FROM unnest({numbers:3}) AS asked (org, subject, number)
JOIN budget AS b USING (org, subject, number) LEFT JOIN budget_window AS w ON w.budget = b.id
  AND (w.number = 0 OR w.number BETWEEN %s AND %s OR w.number BETWEEN %s AND %s)
WHERE b.ended_at IS NULL;

-- name: holds
-- Open holds of the calls that a batch names; read after their wallets are locked.
SELECT org, call, amount FROM unnest({numbers:2}) AS asked (org, call) JOIN hold USING (org, call);

-- name: ended
-- Calls that ended before: a repeated command gets the first answer.
SELECT org, call, charge, from_bonus, balance_after, number
FROM unnest({numbers:2}) AS asked (org, call) JOIN usage_record USING (org, call);

-- name: alive
-- The fence: who has been taken for dead has no row, and whoever wants to delete it waits until this batch has ended.
SELECT id FROM owner WHERE id = %s FOR KEY SHARE;

-- name: insert_holds
INSERT INTO hold (org, call, amount, key, owner, model, tier) SELECT * FROM unnest({numbers:7});

-- name: grow_holds
UPDATE hold SET amount = new.amount FROM unnest({numbers:3}) AS new (amount, org, call)
WHERE hold.org = new.org AND hold.call = new.call;

-- name: delete_holds
DELETE FROM hold USING unnest({numbers:2}) AS gone (org, call) WHERE hold.org = gone.org AND hold.call = gone.call;

-- name: insert_records
INSERT INTO usage_record (
  org, call, number, key, model, deployment, tier, tier_requested, status, flags,
  {buckets},
  exact, charge, from_bonus, held, balance_after, price_ids, attempts, queue_ms, ttft_ms, total_ms, error
) SELECT * FROM unnest({numbers:10}, {numbers:buckets}, {numbers:5}, {texts:1}, {numbers:4}, {texts:1});

-- name: insert_lines
INSERT INTO journal (org, number, line, entry, debit, credit, amount, at, ref, note)
SELECT * FROM unnest({numbers:3}, {texts:3}, {numbers:2}, {texts:2});

-- name: add_rollups
-- Summed per batch before they come here.
INSERT INTO rollup_hour (
  org, hour, key, model, tier, calls, failures,
  {buckets}, charge
) SELECT * FROM unnest({numbers:7}, {numbers:buckets}, {numbers:1})
ON CONFLICT (org, hour, key, model, tier) DO UPDATE SET
  calls = rollup_hour.calls + excluded.calls, failures = rollup_hour.failures + excluded.failures,
  {bucket_sums}, charge = rollup_hour.charge + excluded.charge;

-- name: update_wallets
UPDATE wallet SET paid = new.paid, bonus = new.bonus, held = new.held, last = new.last
FROM unnest({numbers:5}) AS new (paid, bonus, held, last, org) WHERE wallet.org = new.org;

-- name: put_windows
INSERT INTO budget_window (budget, number, spent, held) SELECT * FROM unnest({numbers:4})
ON CONFLICT (budget, number) DO UPDATE SET spent = excluded.spent, held = excluded.held;

-- name: insert_posts
-- How the batch's calls ended, for the tallies.
INSERT INTO tally_inbox (at, content) SELECT * FROM unnest({numbers:1}, {blobs:1});

-- name: insert_events
INSERT INTO event (org, kind, subject, at, data)
SELECT * FROM unnest({numbers:1}, {texts:2}, {numbers:1}, {texts:1}) ON CONFLICT DO NOTHING;

-- name: orphans
-- Holds of owners that are gone.
SELECT org, call, amount, key, model, tier, coalesce((SELECT member FROM api_key WHERE id = key), 0)
FROM hold WHERE owner NOT IN (SELECT id FROM owner) LIMIT %s;

-- name: fate
-- What became of a transaction: committed, aborted, in progress.
SELECT pg_xact_status(%s::xid8);

-- name: take_slot
SELECT pg_try_advisory_lock(%s::int, %s::int);

-- name: give_slot
SELECT pg_advisory_unlock(%s::int, %s::int);

-- name: add_owner
-- Only who holds the slot's lock asks for it; a row of another process that had it stays in the way.
INSERT INTO owner (slot, started_at) SELECT %s::int8, %s::int8
WHERE NOT EXISTS (SELECT FROM owner WHERE slot = %s) RETURNING id;

-- name: owner
SELECT id FROM owner WHERE id = %s;

-- name: owners
-- With whether the slot's lock is held by anybody: a living process, or a connection that is not yet known to be lost.
SELECT id, slot, EXISTS (
  SELECT FROM pg_locks
  WHERE locktype = 'advisory' AND granted AND classid = %s::int8::oid AND objid = slot::oid AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
) FROM owner ORDER BY slot;

-- name: bury
-- Only while nobody has the slot.
DELETE FROM owner WHERE id = %s AND pg_try_advisory_xact_lock(%s::int, slot::int);

-- name: delete_owner
DELETE FROM owner WHERE id = %s;
