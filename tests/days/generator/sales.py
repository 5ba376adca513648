"""Stories of sales: repeats, channels, duplicates, splits, returns. Each takes a day and the moment it begins."""

from .day import A_DAY, HOUR, MINUTE, Line


def strict(where):
    """A duplicate blocks a pharmacy and reminds a hospital (replay format, DUPLICATE)."""
    return "BLOCK" if where.is_pharmacy else "REMIND"


def kept(where):
    """A blocked attempt is never stored as a sale; a reminded one is."""
    return not where.is_pharmacy


def fresh(day, t, where=None, lines_max=4, packs_max=None):
    where = where or day.anyone()
    packs = (lambda: day.rng.randint(1, packs_max)) if packs_max else lambda: None
    lines = [day.line(packs=packs()) for _ in range(day.rng.randint(1, lines_max))]
    day.sale(t, where, lines, tag="fresh", insured=day.rng.random() < 0.8, recorded=True)


def retry(day, t):
    """Case 1: the first answer, however often, even hours later."""
    first = day.sale(t, day.anyone(), [day.line(), day.line()], tag="retry-first")
    day.again(first, t + MINUTE, tag="retry")
    day.again(first, t + 2 * HOUR, tag="retry-hours-later")


def resend(day, t):
    """Case 2: the same sale said in other words, in time and after the lateness limit."""
    first = day.sale(t, day.anyone(), [day.line(packs=2)], tag="resend-first")
    day.again(first, t + 9 * MINUTE, respell=True, tag="resend-respelled")
    day.sale(t + 55 * MINUTE, first.where, first.lines, document=first.document, visit=first.visit, event=t,
             tag="resend-late")


def reminded_retry(day, t):
    """Case 1: a REMIND stays a REMIND. A sale that was reminded is a sale."""
    [where] = day.pick("hospital")
    line = day.line(packs=1)
    day.sale(t, where, [line], tag="remind-first")
    again = day.sale(t + HOUR, where, [line], "REMIND", "DUPLICATE/SAME_INSTITUTION", tag="remind-dup",
                     recorded=True)
    day.again(again, t + HOUR + MINUTE, "REMIND", "DUPLICATE/SAME_INSTITUTION", tag="remind-retry")


def blocked_retry(day, t):
    [where] = day.pick("pharmacy")
    line = day.line(packs=1)
    day.sale(t, where, [line], tag="block-first")
    again = day.sale(t + HOUR, where, [line], "BLOCK", "DUPLICATE/SAME_INSTITUTION", tag="block-dup",
                     recorded=False)
    day.again(again, t + HOUR + MINUTE, "BLOCK", "DUPLICATE/SAME_INSTITUTION", tag="block-retry")


def double_channel(day, t, settled_first, where=None):
    """Case 2: settlement and sale message, in either order, are one sale; another document is not."""
    where = where or day.anyone()
    lines, visit, document = [day.line(), day.line(packs=1)], day.number("MV"), day.number("RD")

    def report(at, tag):
        day.sale(at, where, lines, visit=visit, document=document, tag=tag, recorded=True)

    if settled_first:
        day.settle(t, where, lines, visit=visit, tag="channel-2207", recorded=True)
        report(t + 3 * MINUTE, "channel-3505")
    else:
        report(t, "channel-3505-before")
        day.settle(t + 3 * MINUTE, where, lines, visit=visit, tag="channel-2207-after")
    other = Line(lines[1].drug, lines[1].codes)
    day.sale(t + HOUR, where, [other], strict(where), "DUPLICATE/SAME_INSTITUTION", visit=visit,
             tag="visit-other-document", recorded=kept(where))


def settled_then_elsewhere(day, t):
    """A sale that is known from its settlement alone stands in the way of another institution's."""
    first, second = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    day.settle(t, first, [line], visit=day.number("MV"), tag="settled-first")
    day.sale(t + HOUR, second, [line], "BLOCK", "DUPLICATE/OTHER_INSTITUTION_CLOSE", tag="settled-elsewhere")


def same_institution(day, t, kind):
    """Case 8."""
    [where] = day.pick(kind)
    lines = [day.line(packs=1), day.line()]
    day.sale(t, where, lines, tag=f"dup-same-first-{kind}")
    day.sale(t + 3 * HOUR, where, lines[:1], strict(where), "DUPLICATE/SAME_INSTITUTION",
             tag=f"dup-same-{kind}", recorded=kept(where))


def other_institution(day, t, kind, gap, name):
    """Case 9: close in time or a long gap."""
    [first] = day.pick("pharmacy")
    second = next(i for i in day.pick(kind, 2) if i is not first)
    line = day.line(packs=1)
    way = "CLOSE" if name == "close" else "LONG_GAP"
    day.sale(t, first, [line], tag=f"dup-{name}-first")
    day.sale(t + gap, second, [line], strict(second), f"DUPLICATE/OTHER_INSTITUTION_{way}",
             tag=f"dup-{name}-{kind}", recorded=kept(second))


def self_paid_first(day, t):
    """Case 22: who pays does not matter to the box."""
    first, second = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    day.sale(t, first, [line], insured=False, tag="selfpaid-first", recorded=True)
    day.sale(t + HOUR, second, [line], "BLOCK", "DUPLICATE/OTHER_INSTITUTION_CLOSE", tag="selfpaid-then-insured")


def self_paid_second(day, t):
    """A self-paid sale never goes above REMIND, and is claimed all the same."""
    first, second, third = day.pick("pharmacy", 3)
    line = day.line(packs=1)
    day.sale(t, first, [line], tag="insured-first")
    day.sale(t + HOUR, second, [line], "REMIND", "DUPLICATE/OTHER_INSTITUTION_CLOSE", insured=False,
             tag="selfpaid-dup", recorded=True)
    day.sale(t + 2 * HOUR, third, [line], "BLOCK", "DUPLICATE/OTHER_INSTITUTION_CLOSE", tag="after-selfpaid-dup")


def split(day, t, kind, step=HOUR):
    """Case 17: 12 + 12 + 12 of 36, then one more."""
    [where] = day.pick(kind)
    line = day.line(units=36, packs=1)
    for part in range(3):
        draw(day, t + part * step, where, line, 12, tag="split")
    draw(day, t + 3 * step, where, line, 1, strict(where), "DUPLICATE/SPLIT_OVERDRAW", tag=f"split-overdraw-{kind}",
         recorded=kept(where))


def draw(day, at, where, line, quantity, *verdict, flag=True, **more):
    """A part of the box of `line`."""
    return day.sale(at, where, [Line(line.drug, line.codes, quantity, split=flag)], *verdict, **more)


def split_over_two_boxes(day, t):
    """With split, codes and packs are not compared: 40 of two boxes of 36, then 32, then one too many."""
    [where] = day.pick("pharmacy")
    line = day.line(units=36, packs=2)
    draw(day, t, where, line, 40, tag="split-two-boxes")
    draw(day, t + HOUR, where, line, 32, tag="split-two-boxes")
    # Both are empty then; what no box has is asked of the last one.
    draw(day, t + 2 * HOUR, where, line, 1, "BLOCK", "DUPLICATE/SPLIT_OVERDRAW", tag="split-two-boxes-overdraw",
         boxes=line.codes[1:])


def split_returned(day, t):
    """What came back of an open box can be handed out again."""
    [where] = day.pick("hospital")
    line = day.line(units=24, packs=1)
    draw(day, t, where, line, 14, tag="split-before-return")
    second = draw(day, t + HOUR, where, line, 10, tag="split-before-return")
    back = [Line(line.drug, line.codes, 10, split=True)]
    day.give_back(t + 2 * HOUR, where, back, visit=second.visit, tag="split-return", recorded=True)
    draw(day, t + 3 * HOUR, where, line, 10, tag="split-after-return")
    draw(day, t + 4 * HOUR, where, line, 1, "REMIND", "DUPLICATE/SPLIT_OVERDRAW", tag="split-return-overdraw")


def split_and_whole(day, t, whole_first, kind="pharmacy"):
    [where] = day.pick(kind)
    line = day.line(units=36, packs=1)
    if whole_first:
        day.sale(t, where, [line], tag="whole-first")
        draw(day, t + HOUR, where, line, 6, strict(where), "DUPLICATE/WHOLE_AND_SPLIT", tag="whole-then-split")
    else:
        draw(day, t, where, line, 6, tag="split-first")
        day.sale(t + HOUR, where, [line], strict(where), "DUPLICATE/WHOLE_AND_SPLIT", tag="split-then-whole")


def split_elsewhere(day, t, kind):
    """Case 19: a box is opened in one place."""
    [first] = day.pick("pharmacy")
    second = next(i for i in day.pick(kind, 2) if i is not first)
    line = day.line(units=36, packs=1)
    draw(day, t, first, line, 6, tag="split-here")
    draw(day, t + HOUR, second, line, 6, strict(second), "SPLIT_ELSEWHERE", tag=f"split-elsewhere-{kind}")


def carton_only(day, t, kind, drug):
    """Case 20: one code, as many units as the carton holds, whatever the split flag says."""
    [where] = day.pick(kind)
    line = day.line(drug, packs=1)
    half = drug.units // 2
    for quantity, flag in ((half, True), (drug.units - half - 3, False), (3, True)):
        t += HOUR
        draw(day, t, where, line, quantity, flag=flag, tag="infusion", forbid=["NOT_SMALLEST_PACK"])
    draw(day, t + HOUR, where, line, 1, strict(where), "DUPLICATE/SPLIT_OVERDRAW", tag="infusion-overdraw")


def resale(day, t, elsewhere):
    """Case 10; the second return of one sale is case 13."""
    first, other = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    sold = day.sale(t, first, [line], tag="return-first")
    day.give_back(t + HOUR, first, [line], visit=sold.visit, tag="return", recorded=True)
    second = other if elsewhere else first
    day.sale(t + 2 * HOUR, second, [line], tag="resale", recorded=True)
    day.sale(t + 3 * HOUR, other, [line], "BLOCK", tag="resale-dup",
             must="DUPLICATE/SAME_INSTITUTION" if elsewhere else "DUPLICATE/OTHER_INSTITUTION_CLOSE")


def second_return(day, t, kind):
    """Case 13, and case 1 for returns."""
    [where] = day.pick(kind)
    line = day.line(packs=1)
    sold = day.sale(t, where, [line], tag="return-first")
    back = day.give_back(t + HOUR, where, [line], visit=sold.visit, infno="3506A", tag="return", recorded=True)
    day.again(back, t + HOUR + MINUTE, tag="return-retry")
    day.give_back(t + 2 * HOUR, where, [line], "BLOCK", "ALREADY_RETURNED", visit=sold.visit,
                  tag="second-return", recorded=False)
    day.sale(t + 3 * HOUR, where, [line], tag="resale")


def partial_return(day, t):
    """Case 14: of three boxes one comes back."""
    [where] = day.pick("pharmacy")
    line = day.line(packs=3)
    sold = day.sale(t, where, [line], tag="partial-first")
    back, still_out = Line(line.drug, line.codes[1:2]), Line(line.drug, line.codes[2:])
    day.give_back(t + HOUR, where, [back], visit=sold.visit, tag="partial-return")
    day.sale(t + 2 * HOUR, where, [back], tag="partial-resale")
    day.sale(t + 3 * HOUR, where, [still_out], "BLOCK", "DUPLICATE/SAME_INSTITUTION", tag="partial-dup")


def unpaired_return(day, t):
    """Case 12: accepted; it frees nobody else's sale."""
    first, second, third = day.pick("pharmacy", 3)
    line = day.line(packs=1)
    day.sale(t, first, [line], tag="unpaired-first")
    day.give_back(t + HOUR, second, [line], "ALLOW", "RETURN_UNPAIRED", tag="return-unpaired", recorded=True)
    day.sale(t + 2 * HOUR, third, [line], "BLOCK", "DUPLICATE/OTHER_INSTITUTION_CLOSE", tag="unpaired-dup")


def all_or_nothing(day, t):
    """Case 6: one line is blocked, nothing of the document stays claimed."""
    first, second = day.pick("pharmacy", 2)
    taken, free = day.line(packs=1), day.line(packs=1)
    day.sale(t, first, [taken], tag="aon-first")
    day.sale(t + HOUR, first, [free, taken], "BLOCK", "DUPLICATE/SAME_INSTITUTION", tag="aon-blocked",
             recorded=False)
    day.sale(t + 2 * HOUR, second, [free], tag="aon-free-again", recorded=True)


def without_the_line(day, t):
    """Case 6: the cashier takes the bad line away and sends the document again."""
    first, second = day.pick("pharmacy", 2)
    taken, free = day.line(packs=1), day.line(packs=2)
    day.sale(t, first, [taken], tag="aon-first")
    blocked = day.sale(t + HOUR, second, [free, taken], "BLOCK", "DUPLICATE/OTHER_INSTITUTION_CLOSE",
                       tag="aon-blocked")
    day.sale(t + HOUR + MINUTE, second, [free], document=blocked.document, visit=blocked.visit,
             tag="aon-line-removed", recorded=True)


def repeated_code(day, t, kind, one_line):
    """One whole pack twice in one request."""
    [where] = day.pick(kind)
    line = day.line(packs=1)
    once_more = Line(line.drug, line.codes)
    lines = [Line(line.drug, line.codes * 2)] if one_line else [line, once_more]
    day.sale(t, where, lines, "BLOCK", "CODE_REPEATED", tag="code-repeated", recorded=False)
    day.sale(t + MINUTE, where, [once_more], tag="code-repeated-corrected")


def long_gap(day, t, kind):
    other_institution(day, t, kind, 60 * A_DAY, "far")


def close_gap(day, t, kind):
    other_institution(day, t, kind, 2 * A_DAY, "close")
