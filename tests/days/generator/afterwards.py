"""Stories of words that come once more, or late, after the box has moved on."""

from .day import A_DAY, HOUR, Line, MINUTE
from .sales import draw, strict

CLOSE, SAME = "DUPLICATE/OTHER_INSTITUTION_CLOSE", "DUPLICATE/SAME_INSTITUTION"
OVERDRAW = "DUPLICATE/SPLIT_OVERDRAW"


def sale_repeated_after_return(day, t):
    """The sale's message comes again after the return, as it was and in other words: still that one sale."""
    first, second = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    sold = day.sale(t, first, [line], tag="echo-sale")
    day.give_back(t + HOUR, first, [line], visit=sold.visit, tag="echo-return")
    day.again(sold, t + 2 * HOUR, tag="echo-sale-again")
    day.again(sold, t + 2 * HOUR + MINUTE, respell=True, tag="echo-sale-respelled")
    day.sale(t + 3 * HOUR, second, [line], tag="echo-resale", recorded=True)


def return_repeated_after_resale(day, t):
    """The return's message comes again after the resale: its first answer, and the resale stands."""
    first, second = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    sold = day.sale(t, first, [line], tag="echo-sale")
    back = day.give_back(t + HOUR, first, [line], visit=sold.visit, tag="echo-return")
    day.sale(t + 2 * HOUR, first, [line], tag="echo-resale")
    day.again(back, t + 3 * HOUR, tag="echo-return-again")
    day.sale(t + 4 * HOUR, second, [line], "BLOCK", CLOSE, tag="echo-resale-stands", recorded=False)


def blocked_then_freed(day, t):
    """A request id is answered one way; the same goods in a new document go through."""
    first, second = day.pick("pharmacy", 2)
    line = day.line(packs=1)
    sold = day.sale(t, first, [line], tag="freed-first")
    blocked = day.sale(t + HOUR, second, [line], "BLOCK", CLOSE, tag="freed-blocked", recorded=False)
    day.give_back(t + 2 * HOUR, first, [line], visit=sold.visit, tag="freed-return")
    day.again(blocked, t + 3 * HOUR, "BLOCK", CLOSE, tag="freed-blocked-again")
    day.sale(t + 3 * HOUR + MINUTE, second, [line], tag="freed-resale", recorded=True)


def outage_between_channels(day, t):
    """The settlement went through, the sale message waits until the line is back next day: one sale."""
    where, other = day.pick("pharmacy", 2)
    lines, visit = [day.line(packs=2), day.line(packs=1)], day.number("MV")
    day.settle(t, where, lines, visit=visit, tag="outage-2207", recorded=True)
    day.sale(t + A_DAY, where, lines, visit=visit, event=t, tag="outage-3505-next-day")
    day.sale(t + A_DAY + HOUR, other, [Line(lines[1].drug, lines[1].codes)], "BLOCK", CLOSE, tag="outage-dup")


def settled_then_returned(day, t):
    """A return names no document; that the sale has none either does not matter."""
    where, other = day.pick("pharmacy", 2)
    line, visit = day.line(packs=1), day.number("MV")
    day.settle(t, where, [line], visit=visit, tag="settled-sale")
    day.give_back(t + HOUR, where, [line], tag="settled-return", recorded=True)
    day.sale(t + 2 * HOUR, other, [line], tag="settled-resale", recorded=True)


def two_draws_in_one_document(day, t, kind):
    """Two lines take from one box: two draws, though quantity and box are the same. No whole pack is repeated."""
    [where] = day.pick(kind)
    box = day.line(units=36, packs=1)
    parts = [Line(box.drug, box.codes, 12, split=True) for _ in range(2)]
    told = day.sale(t, where, parts, tag="two-draws", forbid=["CODE_REPEATED"], recorded=True)
    day.again(told, t + MINUTE, respell=True, tag="two-draws-resent")
    draw(day, t + HOUR, where, box, 12, tag="two-draws-rest", recorded=True)
    draw(day, t + 2 * HOUR, where, box, 1, strict(where), OVERDRAW, tag="two-draws-overdraw")


def late_draw(day, t):
    """A draw that is told late fits into the box, and the next one does not: recorded all the same."""
    [where] = day.pick("hospital")
    box = day.line(units=36, packs=1)
    for at, quantity in ((t, 16), (t + HOUR, 10)):
        draw(day, at, where, box, quantity, tag="late-draw-known")
    draw(day, t + 3 * HOUR, where, box, 10, event=t + HOUR / 2, tag="late-draw-fits", recorded=True)
    draw(day, t + 4 * HOUR, where, box, 4, "REMIND", OVERDRAW, event=t + HOUR / 2, tag="late-draw-overdraws",
         recorded=True)


def opened_after_return(day, t):
    """A whole box that came back may be opened; an opened one of which all came back may be sold whole."""
    [where] = day.pick("pharmacy")
    box = day.line(units=24, packs=1)
    sold = day.sale(t, where, [box], tag="opened-whole")
    day.give_back(t + HOUR, where, [box], visit=sold.visit, tag="opened-whole-return")
    part = draw(day, t + 2 * HOUR, where, box, 10, tag="opened-draw", recorded=True)
    day.sale(t + 3 * HOUR, where, [box], "BLOCK", "DUPLICATE/WHOLE_AND_SPLIT", tag="opened-is-open", recorded=False)
    day.give_back(t + 4 * HOUR, where, [Line(box.drug, box.codes, 10, split=True)], visit=part.visit,
                  tag="opened-draw-return")
    day.sale(t + 5 * HOUR, where, [box], tag="opened-whole-again", recorded=True)
    day.sale(t + 6 * HOUR, where, [box], "BLOCK", SAME, tag="opened-whole-dup", recorded=False)
