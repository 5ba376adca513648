"""Stories of time: late and early words about events, windows, returns that come after, rules that begin."""

from datetime import datetime, timedelta

from .day import A_DAY, HOUR, Line, MINUTE, SECOND
from .sales import draw, kept, strict

CLOSE, LONG = "DUPLICATE/OTHER_INSTITUTION_CLOSE", "DUPLICATE/OTHER_INSTITUTION_LONG_GAP"
SAME = "DUPLICATE/SAME_INSTITUTION"


def late_report(day, t):
    """More than 30 minutes after its event a message is a report: recorded whatever the verdict says."""
    [where] = day.pick("pharmacy")
    for delay, recorded in ((30 * MINUTE, False), (30 * MINUTE + SECOND, True), (5 * HOUR, True)):
        line = day.line(packs=1)
        day.sale(t - HOUR, where, [line], tag="late-first", recorded=True)
        day.sale(t + delay, where, [line], "BLOCK", SAME, event=t, tag="late-dup", recorded=recorded,
                 roles=[(line.codes[0], "LATER")])
        t += 3 * MINUTE
    day.sale(t + 31 * MINUTE, where, [day.line()], event=t, tag="late-fresh", recorded=True)


def reported_attempt(day, t):
    """What was reported is a sale; what was blocked at the counter is none."""
    first, second, third = day.pick("pharmacy", 3)
    line = day.line(packs=1)
    sold = day.sale(t, first, [line], tag="attempt-first")
    day.sale(t + HOUR, second, [line], "BLOCK", CLOSE, tag="attempt-blocked", recorded=False)
    day.give_back(t + 2 * HOUR, first, [line], visit=sold.visit, tag="attempt-return")
    day.sale(t + 3 * HOUR, third, [line], tag="attempt-resale")


def earlier(day, t, kind):
    """Case 16: the report's event was the earlier one."""
    [first] = day.pick("pharmacy")
    second = next(i for i in day.pick(kind, 2) if i is not first)
    line = day.line(packs=1)
    day.sale(t, first, [line], tag="earlier-known")
    day.sale(t + 2 * HOUR, second, [line], strict(second), CLOSE, event=t - HOUR, tag=f"earlier-{kind}",
             recorded=True, roles=[(line.codes[0], "EARLIER")])
    day.sale(t + 3 * HOUR, first, [line], "BLOCK", "DUPLICATE", tag="earlier-then-later", recorded=False,
             roles=[(line.codes[0], "LATER")])


def window(day, t, in_order):
    """Case 9: two days, the window's edge, a second more, two months; in either order of arrival."""
    for gap, way in ((2 * A_DAY, CLOSE), (7 * A_DAY, CLOSE), (7 * A_DAY + SECOND, LONG), (60 * A_DAY, LONG)):
        first, second = day.pick("pharmacy", 2)
        line, code_role = day.line(packs=1), "LATER" if in_order else "EARLIER"
        roles = [(line.codes[0], code_role)]
        if in_order:
            day.sale(t - gap, first, [line], tag="window-first")
            day.sale(t, second, [line], "BLOCK", way, tag="window-later", recorded=False, roles=roles)
        else:
            day.sale(t, second, [line], tag="window-known")
            day.sale(t + HOUR, first, [line], "BLOCK", way, event=t - gap, tag="window-earlier", recorded=True,
                     roles=roles)
        t += MINUTE


def backdated(day, t):
    """Beyond three days a late event only proposes: it is recorded and still says which event was first."""
    first, second = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    day.sale(t, first, [line], tag="backdated-known")
    day.sale(t + HOUR, second, [line], "BLOCK", CLOSE, event=t - 4 * A_DAY, tag="backdated", recorded=True,
             roles=[(line.codes[0], "EARLIER")])
    alone = day.line(packs=1)
    day.sale(t, first, [alone], event=t - 5 * A_DAY, tag="backdated-fresh", recorded=True)
    day.sale(t + HOUR, second, [alone], "BLOCK", CLOSE, tag="backdated-then-sold", recorded=False,
             roles=[(alone.codes[0], "LATER")])


def future(day, t):
    """Case 43: up to five minutes ahead is now; beyond is refused, whoever pays, and nothing is claimed."""
    first, second = day.pick("pharmacy", 2)
    for ahead in (MINUTE, 5 * MINUTE):
        line = day.line(packs=1)
        day.sale(t, first, [line], "ALLOW", "EVENT_TIME_CLAMPED", event=t + ahead, tag="clamped", recorded=True)
        day.sale(t + HOUR, second, [line], "BLOCK", CLOSE, tag="clamped-dup")
    for ahead, insured in ((5 * MINUTE + SECOND, True), (HOUR, True), (HOUR, False)):
        line = day.line(packs=1)
        day.sale(t, first, [line], "BLOCK", "EVENT_TIME_IN_FUTURE", event=t + ahead, insured=insured,
                 tag="future", recorded=False)
        day.sale(t + MINUTE, second, [line], tag="future-free", recorded=True)
    back = day.line(packs=1)
    sold = day.sale(t, first, [back], tag="future-return-first")
    day.give_back(t + MINUTE, first, [back], "BLOCK", "EVENT_TIME_IN_FUTURE", visit=sold.visit, event=t + HOUR,
                  tag="future-return", recorded=False)


def return_after_resale(day, t):
    """Case 11: the return is heard of after the resale; from then on the code is sold once."""
    first, second, third = day.pick("pharmacy", 3)
    line = day.line(packs=1)
    sold = day.sale(t, first, [line], tag="resold-first")
    again = day.sale(t + 3 * HOUR, second, [line], "BLOCK", CLOSE, event=t + 2 * HOUR, tag="resold-before-return",
                     recorded=True)
    day.give_back(t + 4 * HOUR, first, [line], visit=sold.visit, event=t + HOUR, tag="late-return", recorded=True)
    day.closes(line.codes[0], "LAWFUL")
    day.sale(t + 5 * HOUR, third, [line], "BLOCK", CLOSE, tag="resold-dup", recorded=False)
    day.give_back(t + 6 * HOUR, second, [line], visit=again.visit, tag="resold-return", recorded=True)
    day.sale(t + 7 * HOUR, third, [line], tag="resold-lawfully", recorded=True)


def return_between(day, t):
    """Case 10 for reports: sale, return, sale by event time, whatever came first to our ears."""
    first, second = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    sold = day.sale(t, first, [line], tag="between-first")
    day.give_back(t + HOUR, first, [line], visit=sold.visit, tag="between-return")
    day.sale(t + 3 * HOUR, second, [line], event=t + 2 * HOUR, tag="between-late-resale", recorded=True)
    other = day.line(packs=1)
    sold = day.sale(t, first, [other], tag="between-first")
    day.give_back(t + 2 * HOUR, first, [other], visit=sold.visit, tag="between-return")
    day.sale(t + 3 * HOUR, second, [other], "BLOCK", CLOSE, event=t + HOUR, tag="between-resold-too-early",
             recorded=True)


def return_before_sale(day, t):
    """Case 12: a return waits for its sale, which came before it; a later sale is a sale of its own."""
    first, second = day.pick("pharmacy", 2)
    paired, waiting = day.line(packs=1), day.line(packs=1)
    for line in (paired, waiting):
        day.give_back(t, first, [line], "ALLOW", "RETURN_UNPAIRED", tag="return-unpaired", recorded=True)
    day.sale(t + HOUR, first, [paired], event=t - HOUR, tag="unpaired-late-sale", recorded=True)
    day.sale(t + 2 * HOUR, second, [paired], tag="unpaired-resale", recorded=True)
    day.sale(t + HOUR, first, [waiting], tag="unpaired-own-sale", recorded=True)
    day.sale(t + 2 * HOUR, second, [waiting], "BLOCK", CLOSE, tag="unpaired-own-dup", recorded=False)


def not_designated(day, t, suspended, unknown):
    """Case 39: a report of what already happened is recorded with that finding, and stands in the way."""
    [where] = day.pick("pharmacy")
    for who, reason in ((suspended, "INSTITUTION_SUSPENDED"), (unknown, "INSTITUTION_UNKNOWN")):
        line = day.line(packs=1)
        day.sale(t, who, [line], "BLOCK", reason, event=t - HOUR, tag="not-designated-late", recorded=True)
        day.sale(t + MINUTE, where, [line], "BLOCK", CLOSE, tag="not-designated-dup", recorded=False)


def inpatient(day, t):
    """Daily draws from one box in one visit: each document its own sale, the same one said twice is one."""
    [where] = day.pick("hospital")
    line, visit = day.line(units=36, packs=1), day.number("MV")
    for at in range(3):
        told = draw(day, t + at * A_DAY, where, line, 12, visit=visit, tag="inpatient-draw", recorded=True)
        day.again(told, t + at * A_DAY + MINUTE, respell=True, tag="inpatient-draw-resent")
    draw(day, t + 3 * A_DAY, where, line, 1, "REMIND", "DUPLICATE/SPLIT_OVERDRAW", visit=visit,
         tag="inpatient-overdraw", recorded=True)


def split_channel(day, t, settled_first):
    """A split without a quantity counts nothing until the sale message brings the quantity."""
    [where] = day.pick("pharmacy")
    line, visit = day.line(units=36, packs=1), day.number("MV")
    part = [Line(line.drug, line.codes, 12, split=True)]
    messages = [lambda at: day.settle(at, where, part, visit=visit, tag="split-2207"),
                lambda at: day.sale(at, where, part, visit=visit, tag="split-3505")]
    for at, tell in enumerate(messages if settled_first else reversed(messages)):
        tell(t + at * MINUTE)
    draw(day, t + HOUR, where, line, 24, tag="split-channel-rest", recorded=True)
    draw(day, t + 2 * HOUR, where, line, 1, "BLOCK", "DUPLICATE/SPLIT_OVERDRAW", tag="split-channel-overdraw",
         recorded=False)


def unknown_units(day, t, kind):
    """Case 18: noted up to the cap of 100 units, a reminder beyond; never a duplicate."""
    [where] = day.pick(kind)
    line = day.line(day.world.drug(None), packs=1)
    for quantity, verdict in ((60, "ALLOW"), (40, "ALLOW"), (1, "REMIND")):
        draw(day, t, where, line, quantity, verdict, "SPLIT_UNITS_UNKNOWN", tag="split-units-unknown", recorded=True)
        t += HOUR


def rule_days(day):
    """Case 38: the first day belongs to the new rule. Late words are judged by the rule of the event's day."""
    told_on = datetime(2026, 5, 12, 7, 30)
    [pharmacy], [hospital] = day.pick("pharmacy"), day.pick("hospital")
    before, begins = datetime(2025, 6, 30, 23, 59, 59), datetime(2025, 7, 1)
    for where in (pharmacy, hospital):
        for event, is_due in ((before, False), (begins, True)):
            verdict, must = (strict(where), "NO_CODE") if is_due else ("ALLOW", ())
            for at, tag in ((event, "no-code-rule-day"), (told_on, "no-code-rule-day-late")):
                day.sale(at, where, [Line(day.line().drug, [])], verdict, must, event=event, tag=tag,
                         forbid=[] if is_due else ["NO_CODE"])
    before, begins = datetime(2025, 9, 4, 23, 59, 59), datetime(2025, 9, 5)
    for event, is_due in ((before, False), (begins, True)):
        verdict, must = ("BLOCK", "NOT_PURCHASED") if is_due else ("ALLOW", ())
        drug = day.world.drug(1, everywhere=False)
        forbid = [] if is_due else ["NOT_PURCHASED"]
        day.sale(event, pharmacy, [day.line(drug, packs=1)], verdict, must, tag="purchase-rule-day", forbid=forbid,
                 recorded=not is_due)
        day.sale(told_on, pharmacy, [day.line(drug, packs=1)], verdict, must, event=event,
                 tag="purchase-rule-day-late", forbid=forbid, recorded=True)


def transition(day, kind, ends):
    """Case 38 for the transition of an existing agreement, in Asia/Shanghai."""
    where = day.world.institution(kind, ownership="private", transition_ends_on=f"{ends:%Y-%m-%d}",
                                  name=f"测试过渡{'药房' if kind == 'pharmacy' else '医院'}")
    for event, is_over in ((ends - SECOND, False), (ends, True), (ends + timedelta(hours=7, minutes=59), True)):
        drug = day.world.drug(1, everywhere=False)
        verdict, must = ("BLOCK", "NOT_PURCHASED") if is_over else ("ALLOW", ())
        day.sale(event, where, [day.line(drug, packs=1)], verdict, must, tag=f"transition-{kind}",
                 forbid=[] if is_over else ["NOT_PURCHASED"], recorded=not is_over)


def whole_claims(day, t):
    """A report is recorded line by line, with findings; the counter's document stands or falls as a whole."""
    first, second, third = day.pick("pharmacy", 3)
    taken, free = day.line(packs=1), day.line(packs=1)
    day.sale(t, first, [taken], tag="report-first")
    day.sale(t + 2 * HOUR, second, [free, taken], "BLOCK", CLOSE, event=t + HOUR, tag="report-two-lines",
             recorded=True, roles=[(taken.codes[0], "LATER")])
    day.sale(t + 3 * HOUR, third, [free], "BLOCK", CLOSE, tag="report-line-kept", recorded=kept(third))
