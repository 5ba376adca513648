"""Stories of lists and feeds: the no-code list, own schemes, purchases that are not known yet or come later."""

from datetime import datetime

from .day import HOUR, Line, MINUTE, SECOND
from .sales import strict


def no_code_list(day, t):
    """Why none is due: entries count while they are valid, national ones until the end of 2025."""
    [pharmacy], [hospital] = day.pick("pharmacy"), day.pick("hospital")
    today = f"{t:%Y-%m-%d}"
    rows = [("13", "2026-01-01", "2026-12-31", True),
            ("13", today, today, True), ("", "2025-07-01", "2026-12-31", False),
            ("13", "2025-07-01", "2026-05-11", False), ("13", "2026-05-13", "2026-12-31", False),
            ("1309", "2026-01-01", "2026-12-31", False), (pharmacy.division, "2026-01-01", "2026-12-31", None)]
    for prefix, valid_from, valid_to, is_listed in rows:
        drug = day.world.drug(10)
        day.world.no_code_list.append([drug.catalog_code, prefix, valid_from, valid_to, "旧库存"])
        for where in (pharmacy, hospital):
            listed = where.division == prefix if is_listed is None else is_listed
            verdict, reason = ("ALLOW", "NO_CODE_LISTED") if listed else (strict(where), "NO_CODE")
            t += MINUTE
            day.sale(t, where, [Line(drug, [], 20)], verdict, reason, tag="listed" if listed else "not-listed",
                     forbid=["NO_CODE"] if listed else ["NO_CODE_LISTED"])


def national_list_ends(day):
    """The last day of 2025 counts, in Asia/Shanghai; so it does for a sale of that day that is told later."""
    drug = day.world.drug(10)
    day.world.no_code_list.append([drug.catalog_code, "", "2025-07-01", "2026-12-31", "旧库存"])
    [where] = day.pick("pharmacy")
    last, first = datetime(2025, 12, 31, 23, 59, 59), datetime(2026, 1, 1)
    for event, is_listed in ((last, True), (first, False)):
        verdict, reason = ("ALLOW", "NO_CODE_LISTED") if is_listed else ("BLOCK", "NO_CODE")
        for at in (event, event + 9 * HOUR):
            day.sale(at, where, [Line(drug, [], 10)], verdict, reason, event=event, tag="national-list-ends")


def own_scheme(day, t):
    """Case 30: lower case is kept, so two codes that differ in case are two boxes."""
    [where] = day.pick("pharmacy")
    drug = day.world.drug(12)
    day.world.own_schemes.append(["测试药厂", "^QX[A-Za-z]{4}[0-9]{6}$", drug.catalog_code, "small", 12])
    lower, upper = Line(drug, ["QXabcd104729"]), Line(drug, ["QXABCD104729"])
    day.sale(t, where, [lower], tag="own-scheme", recorded=True)
    day.sale(t + MINUTE, where, [upper], tag="own-scheme-other-case", recorded=True)
    day.sale(t + HOUR, where, [lower], "BLOCK", "DUPLICATE/SAME_INSTITUTION", tag="own-scheme-dup")
    for text in ("QXabcd10472", "QYabcd104729", "QXabcd104729Z"):
        t += MINUTE
        day.sale(t, where, [Line(drug, [text])], "BLOCK", "CODE_MALFORMED", tag="no-scheme-matches")
    mismatch = Line(day.line(units=24, packs=1).drug, ["QXefgh104729"])
    day.sale(t + MINUTE, where, [mismatch], "BLOCK", "DRUG_MISMATCH", tag="own-scheme-mismatch")


def not_known_yet(day, t):
    """Case 34: no purchase found, and data older than 48 hours cannot say so."""
    lag = 48 * HOUR
    made = day.world.institution
    whose = {
        "stale": (made("pharmacy", "130602", name="测试滞后药房"), t - lag - SECOND, True),
        "stale-hospital": (made("hospital", "130602", name="测试滞后医院"), t - 5 * lag, True),
        "at-the-limit": (made("pharmacy", "130602", name="测试临界药房"), t - lag, False),
        "fresh": (made("pharmacy", "130606", name="测试及时药房"), t - HOUR, False),
    }
    for where, complete_up_to, _ in whose.values():
        day.world.feed(where.code, complete_up_to)
    by_division = made("pharmacy", "130702", name="测试张家口药房")
    day.world.feed("1307*", t - 3 * lag)
    whose["stale-division"] = (by_division, None, True)
    for name, (where, _, is_stale) in whose.items():
        drug = day.world.drug(1, everywhere=False)
        line = day.line(drug, packs=1)
        verdict, reason = ("REMIND", "PURCHASE_NOT_KNOWN_YET") if is_stale else ("BLOCK", "NOT_PURCHASED")
        other = "NOT_PURCHASED" if is_stale else "PURCHASE_NOT_KNOWN_YET"
        day.sale(t, where, [line], verdict, reason, tag=f"feed-{name}", forbid=[other], recorded=is_stale)
        day.sale(t, where, [day.line(drug, packs=1)], insured=False,
                 tag=f"feed-{name}-selfpaid", forbid=[other, reason])
        day.sale(t, where, [day.line()], tag=f"feed-{name}-bought", forbid=["PURCHASE_NOT_KNOWN_YET"])
        if is_stale:
            again = [reason, "DUPLICATE/SAME_INSTITUTION"]
            day.sale(t + HOUR, where, [line], strict(where), again, tag=f"feed-{name}-claimed")


def bought_later(day, t):
    """A purchase dated after the sale still counts; a filed one is one."""
    [where] = day.pick("pharmacy")
    drug, filed = day.world.drug(10, everywhere=False), day.world.drug(10, everywhere=False)
    day.world.buy(where, drug, 100, at=f"{t:%Y-%m-%d}T23:30:00+08:00")
    day.world.buy(where, filed, 100, source="filed")
    day.sale(t, where, [day.line(drug)], tag="bought-later", forbid=["NOT_PURCHASED"])
    day.sale(t, where, [day.line(filed)], tag="filed-only", forbid=["NOT_PURCHASED"])


def outside_hebei(day, t):
    """No rule asks a pharmacy elsewhere for its purchases; a hospital in Hebei is asked."""
    away = day.world.institution("pharmacy", "120101", name="测试天津药房")
    [hospital] = day.pick("hospital")
    drug = day.world.drug(1, everywhere=False)
    day.sale(t, away, [day.line(drug, packs=1)], tag="outside-hebei", forbid=["NOT_PURCHASED"], recorded=True)
    day.sale(t, hospital, [day.line(drug, packs=1)], "BLOCK", "NOT_PURCHASED",
             tag="hospital-in-hebei", recorded=False)


def foreign_carton(day, t):
    """Case 20: a carton of another product than the one billed."""
    [where] = day.pick("pharmacy")
    small = day.line(units=24, packs=1)
    carton = day.world.drug(24, level="large")
    wrong = Line(small.drug, [day.world.code(carton)], quantity=24)
    day.sale(t, where, [wrong], "BLOCK", ["NOT_SMALLEST_PACK", "DRUG_MISMATCH"],
             tag="foreign-carton", recorded=False)
    day.sale(t + MINUTE, where, [small], tag="foreign-carton-corrected")
