from puyun.identity.keys import mint, well_formed
from puyun.system import entropy


def test_entropy_fits_what_takes_it() -> None:
    assert well_formed(mint(entropy.key_entropy()))
    assert all(0 < entropy.organization_id() < 2**31 for _ in range(1000))
    assert entropy.reference("topup").startswith("topup_")
    assert len({entropy.password() for _ in range(100)}) == 100
    assert len(entropy.password()) == 16
