-- The ledger's hot path. `{rows}` becomes (?, …), (?, …); one statement carries a whole batch, because every statement
-- that steps gives the interpreter lock away and has to win it back. A pair is looked up through `asked`, because SQLite
-- finds no index for a pair IN (VALUES …) and would read the whole table. `{buckets}` are the names of all buckets,
-- `{bucket_sums}` add the new row to the one there is.

-- name: wallets
-- The wallets a batch touches, as the lock holder sees them.
SELECT org, paid, bonus, held, credit_limit, open_invoices, frozen, last FROM wallet WHERE org IN ({rows});

-- name: budgets
-- Whose budgets a batch may count against, with the windows its calls lie in: all of time, its days, its months.
SELECT b.org, b.subject, b.number, b.id, b.period, b.hard, b.amount, b.since, w.number, w.spent, w.held
FROM budget AS b LEFT JOIN budget_window AS w ON w.budget = b.id
  AND (w.number = 0 OR w.number BETWEEN ? AND ? OR w.number BETWEEN ? AND ?)
WHERE (b.org, b.subject, b.number) IN
    (WITH asked (org, subject, number) AS (VALUES {rows}) SELECT org, subject, number FROM asked)
  AND b.ended_at IS NULL;

-- name: holds
-- Open holds of the calls that a batch names.
SELECT org, call, amount FROM hold
WHERE (org, call) IN (WITH asked (org, call) AS (VALUES {rows}) SELECT org, call FROM asked);

-- name: ended
-- Calls that ended before: a repeated command gets the first answer.
SELECT org, call, charge, from_bonus, balance_after, number FROM usage_record
WHERE (org, call) IN (WITH asked (org, call) AS (VALUES {rows}) SELECT org, call FROM asked);

-- name: insert_holds
INSERT INTO hold (org, call, amount, key, owner, model, tier) VALUES {rows};

-- name: grow_holds
WITH new (amount, org, call) AS (VALUES {rows})
UPDATE hold SET amount = new.amount FROM new WHERE hold.org = new.org AND hold.call = new.call;

-- name: delete_holds
DELETE FROM hold
WHERE (org, call) IN (WITH asked (org, call) AS (VALUES {rows}) SELECT org, call FROM asked);

-- name: insert_records
INSERT INTO usage_record (
  org, call, number, key, model, deployment, tier, tier_requested, status, flags,
  {buckets},
  exact, charge, from_bonus, held, balance_after, price_ids, attempts, queue_ms, ttft_ms, total_ms, error
) VALUES {rows};

-- name: insert_lines
INSERT INTO journal (org, number, line, entry, debit, credit, amount, at, ref, note) VALUES {rows};

-- name: add_rollups
-- Summed per batch before they come here; the `true` keeps the parser from reading ON as a join.
INSERT INTO rollup_hour (
  org, hour, key, model, tier, calls, failures,
  {buckets}, charge
) SELECT * FROM (VALUES {rows}) WHERE true
ON CONFLICT DO UPDATE SET
  calls = calls + excluded.calls, failures = failures + excluded.failures,
  {bucket_sums}, charge = charge + excluded.charge;

-- name: update_wallets
WITH new (paid, bonus, held, last, org) AS (VALUES {rows})
UPDATE wallet SET paid = new.paid, bonus = new.bonus, held = new.held, last = new.last
FROM new WHERE wallet.org = new.org;

-- name: put_windows
INSERT INTO budget_window (budget, number, spent, held) SELECT * FROM (VALUES {rows}) WHERE true
ON CONFLICT DO UPDATE SET spent = excluded.spent, held = excluded.held;

-- name: insert_posts
-- How the batch's calls ended, for the tallies.
INSERT INTO tally_inbox (at, content) VALUES {rows};

-- name: insert_events
INSERT INTO event (org, kind, subject, at, data) SELECT * FROM (VALUES {rows}) WHERE true ON CONFLICT DO NOTHING;

-- name: orphans
-- Holds of owners that are gone.
SELECT org, call, amount, key, model, tier, ifnull((SELECT member FROM api_key WHERE id = key), 0)
FROM hold WHERE owner NOT IN (SELECT id FROM owner) LIMIT ?;

-- name: add_owner
-- SQLite gives the number of a deleted row again; the holds of who is gone must not become those of a newcomer.
INSERT INTO owner (id, slot, started_at)
SELECT 1 + max(ifnull((SELECT max(id) FROM owner), 0), ifnull((SELECT max(owner) FROM hold), 0)), ?, ?;

-- name: owners
SELECT id, slot FROM owner;

-- name: delete_owner
DELETE FROM owner WHERE id = ?;
