"""What papers call things, in the language of whoever reads them."""

from puyun.web.language import Language, translations


class Words:
    """Names of what is on a paper. The names of meters, tiers and transactions are those of the pages."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._text = translations(language).gettext

    def tier(self, tier: str) -> str:
        _ = self._text
        return {"test": _("Test"), "flex": _("Flex"), "enterprise": _("Enterprise")}.get(tier, tier)

    def meter(self, meter: str) -> str:
        _ = self._text
        return {
            "input": _("Input"),
            "cached_input": _("Cached input"),
            "cache_write": _("Cache write"),
            "cache_write_1h": _("Cache write, 1 hour"),
            "image_input": _("Image input"),
            "output": _("Output"),
            "reasoning": _("Reasoning"),
            "audio": _("Audio input"),
            "audio_output": _("Audio output"),
            "image": _("Image"),
        }.get(meter, meter)

    def entry(self, entry: str) -> str:
        _ = self._text
        return {
            "topup": _("Top-up"),
            "fee": _("Fee"),
            "bonus": _("Bonus"),
            "redeem": _("Code redeemed"),
            "sla": _("Service credit"),
            "adjustment": _("Adjustment"),
            "expiry": _("Bonus expired"),
            "refund": _("Refund"),
            "correction": _("Price correction"),
            "payout": _("Paid back to you"),
            "chargeback": _("Payment called back"),
            "chargeback_won": _("Payment restored"),
            "invoice": _("Invoice"),
            "invoice_paid": _("Invoice paid"),
            "write_off": _("Written off"),
        }.get(entry, entry)

    def page(self, number: int, count: int) -> str:
        _ = self._text
        return _("Page %(number)s of %(count)s") % {"number": number, "count": count}
