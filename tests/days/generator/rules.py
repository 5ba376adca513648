"""Stories of rules: codes that are due, packs and quantities, products, purchases, prices, institutions."""

from .day import HOUR, MINUTE, Line
from .sales import strict


def no_code(day, t, kind):
    """Case 33. Self-paid: no fund matter."""
    [where] = day.pick(kind)
    drug = day.line().drug
    day.sale(t, where, [Line(drug, [])], strict(where), "NO_CODE", tag=f"no-code-{kind}")
    day.sale(t + MINUTE, where, [Line(drug, [])], insured=False, tag="no-code-selfpaid", forbid=["NO_CODE"])
    day.sale(t + 2 * MINUTE, where, [day.line(), Line(drug, [])], strict(where), "NO_CODE",
             tag=f"no-code-one-line-{kind}")


def exempt(day, t):
    """Domain §7: classes that need no code anywhere, and what only hospitals need not scan."""
    made = day.world.drug
    anywhere = [
        made(1, "测试黄芪饮片", drug_class="tcm_pieces", dosage_form="pieces"),
        made(1, "测试甘草配方颗粒", drug_class="tcm_formula_granules", dosage_form="granules"),
        made(1, "测试院内制剂", drug_class="in_house", dosage_form="tablet"),
    ]
    split_only = made(100, "测试必拆片", must_split=True)
    loose = made(1, "测试散装针剂", dosage_form="loose_injection")
    rows = [(kind, drug, 10, False, True) for kind in ("pharmacy", "hospital") for drug in anywhere]
    rows += [("hospital", split_only, 7, True, True), ("hospital", split_only, 100, False, False),
             ("pharmacy", split_only, 7, True, False), ("hospital", loose, 2, False, True),
             ("pharmacy", loose, 2, False, False)]
    for kind, drug, quantity, is_split, is_exempt in rows:
        [where] = day.pick(kind)
        verdict, reason = ("ALLOW", "NO_CODE_EXEMPT") if is_exempt else (strict(where), "NO_CODE")
        t += MINUTE
        day.sale(t, where, [Line(drug, [], quantity, split=is_split)], verdict, reason,
                 tag="exempt" if is_exempt else "not-exempt", forbid=["NO_CODE"] if is_exempt else [])


def counts(day, t, kind):
    """Case 32: both numbers differ; with split they are not compared."""
    [where] = day.pick(kind)
    drug = day.line(units=24, packs=1).drug
    for packs, quantity in ((1, 72), (3, 24), (2, 72)):
        t += MINUTE
        day.sale(t, where, [day.line(drug, packs=packs, quantity=quantity)], strict(where), "CODE_COUNT_MISMATCH",
                 tag=f"count-{kind}")
    day.sale(t + MINUTE, where, [day.line(drug, packs=2, quantity=30, split=True)], tag="count-split",
             forbid=["CODE_COUNT_MISMATCH"])


def not_whole(day, t, kind):
    [where] = day.pick(kind)
    drug = day.line(units=36, packs=1).drug
    for quantity in ("12.5", "35", "37"):
        t += MINUTE
        day.sale(t, where, [day.line(drug, packs=1, quantity=quantity)], "BLOCK", "QUANTITY_NOT_WHOLE",
                 tag="not-whole", recorded=False)


def pack_levels(day, t, kind):
    """Case 20: scan the small code."""
    [where] = day.pick(kind)
    small = day.world.drug(1)
    for level in ("middle", "large"):
        outer = day.world.drug(1, level=level, catalog_code=small.catalog_code)
        t += MINUTE
        day.sale(t, where, [day.line(outer, packs=1)], "BLOCK", "NOT_SMALLEST_PACK", tag=f"{level}-at-till",
                 recorded=False)
    day.sale(t + MINUTE, where, [day.line(small, packs=1)], tag="small-after-all")


def products(day, t, kind):
    """Case 31: another drug's prefix, and one that the map does not know."""
    [where] = day.pick(kind)
    billed, other = day.rng.sample(day.common, 2)
    line = day.line(other, packs=1)
    wrong = Line(billed, line.codes, quantity=billed.units)
    day.sale(t, where, [wrong], "BLOCK", "DRUG_MISMATCH", tag="mismatch", recorded=False)
    day.sale(t + MINUTE, where, [line], tag="mismatch-corrected")
    unmapped = Line(billed, [day.world.prefix + "999" + line.codes[0][6:]], quantity=billed.units)
    day.sale(t, where, [unmapped], "REMIND", "PREFIX_UNMAPPED", tag="unmapped", recorded=True)
    day.sale(t + HOUR, where, [unmapped], strict(where), ["PREFIX_UNMAPPED", "DUPLICATE/SAME_INSTITUTION"],
             tag="unmapped-dup")


def not_bought(day, t, kind):
    """Case 34 with complete data. Self-paid: no fund matter."""
    [where] = day.pick(kind)
    drug = day.world.drug(1, everywhere=False)
    line = day.line(drug, packs=1)
    day.sale(t, where, [line], "BLOCK", "NOT_PURCHASED", tag=f"not-bought-{kind}", recorded=False)
    day.sale(t + MINUTE, where, [line], insured=False, tag="not-bought-selfpaid", forbid=["NOT_PURCHASED"])


def sources(day, t):
    """A filed purchase and opening stock are purchases too."""
    [where] = day.pick("pharmacy")
    for source in ("filed", "opening_stock"):
        drug = day.world.drug(10, everywhere=False)
        day.world.buy(where, drug, 500, source=source)
        t += MINUTE
        day.sale(t, where, [day.line(drug)], tag=source, forbid=["NOT_PURCHASED", "OVERSOLD"])


def chain(day, t, head, branches):
    """Case 35: bought at the head office, and pooled: three packs for all branches."""
    drug = day.world.drug(10, everywhere=False)
    day.world.buy(head, drug, 30)
    for at, branch in enumerate([*branches, *branches][:3]):
        day.sale(t + at * HOUR, branch, [day.line(drug, packs=1)], tag="chain-bought",
                 forbid=["NOT_PURCHASED", "OVERSOLD"])
    day.sale(t + 4 * HOUR, branches[0], [day.line(drug, packs=1)], "REMIND", "OVERSOLD", tag="chain-oversold",
             recorded=True)


def oversold(day, t):
    """Case 36. Repeats and the second channel of a sale sell nothing more."""
    [where] = day.pick("pharmacy")
    drug = day.world.drug(10, everywhere=False)
    day.world.buy(where, drug, 50)
    day.world.buy(where, drug, -20)
    lines, visit = [day.line(drug, packs=1)], day.number("MV")
    day.settle(t, where, lines, visit=visit, tag="few-2207", forbid=["OVERSOLD"])
    sold = day.sale(t + MINUTE, where, lines, visit=visit, tag="few-3505", forbid=["OVERSOLD"])
    day.again(sold, t + 2 * MINUTE, tag="few-retry", forbid=["OVERSOLD"])
    day.again(sold, t + 3 * MINUTE, respell=True, tag="few-resend", forbid=["OVERSOLD"])
    last = day.sale(t + HOUR, where, [day.line(drug, packs=2)], tag="few", forbid=["OVERSOLD"])
    day.sale(t + 2 * HOUR, where, [day.line(drug, packs=1)], "REMIND", "OVERSOLD", tag="oversold", recorded=True)
    day.give_back(t + 3 * HOUR, where, last.lines, visit=last.visit, tag="few-return")
    day.sale(t + 4 * HOUR, where, [day.line(drug, packs=1)], tag="few-after-return", forbid=["OVERSOLD"])


def prices(day, t, private):
    """Case 37: only a private hospital that bought on its own, and only above the list."""
    drug = day.world.drug(10, price="80.00", everywhere=False)
    [public] = day.pick("hospital")
    [pharmacy] = day.pick("pharmacy")
    on_platform = day.world.institution("hospital", "130104", ownership="private", name="测试民营医院二")
    for where, source in ((private, "filed"), (public, "filed"), (pharmacy, "filed"), (on_platform, "platform")):
        day.world.buy(where, drug, 10_000, source=source)
    rows = [(private, "8.01", True, True), (private, "8", True, False), (private, "12.5", False, False),
            (public, "12.5", True, False), (pharmacy, "12.5", True, False), (on_platform, "12.5", True, False)]
    for where, price, insured, is_above in rows:
        verdict, must = ("REMIND", "PRICE_ABOVE_LISTED") if is_above else ("ALLOW", ())
        t += MINUTE
        day.sale(t, where, [day.line(drug, packs=1, price=price)], verdict, must, insured=insured,
                 tag="price-above" if is_above else "price-fine", forbid=[] if is_above else ["PRICE_ABOVE_LISTED"])


def institutions(day, t, suspended, unknown):
    """Case 39: refused before anything is claimed, whoever pays."""
    for where, reason in ((suspended, "INSTITUTION_SUSPENDED"), (unknown, "INSTITUTION_UNKNOWN")):
        line = day.line(packs=1)
        for insured in (True, False):
            t += MINUTE
            day.sale(t, where, [line], "BLOCK", reason, insured=insured, tag="not-designated", recorded=False)
        day.sale(t + HOUR, day.pick("pharmacy")[0], [line], tag="not-designated-free", recorded=True)
