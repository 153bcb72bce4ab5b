from puyun.storage.engine import open_engine, writing


def test_closed_hours_are_sealed_and_a_change_is_found(puyun, data) -> None:
    puyun("org", "create", "acme")
    assert puyun("seal", "--json").json == []
    puyun("topup", "acme", "5.00")
    (sealed,) = puyun("seal", "--json").json
    assert (sealed["seal"], len(sealed["hash"])) == (1, 64)
    assert puyun("seal", "--json").json == [sealed]
    assert sealed["hash"] in puyun("seal").out
    assert puyun("audit").code == 0
    engine = open_engine(data / "puyun.db")
    with writing(engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER journal_no_update")
        connection.exec_driver_sql("UPDATE journal SET note = 'x'")
    engine.dispose()
    found = puyun("audit", "--json")
    assert (found.code, [each["check"] for each in found.json["findings"]]) == (1, ["A14"])
