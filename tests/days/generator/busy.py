"""Much traffic: random sales of many counters over one day, a story now and then."""

from datetime import datetime

from . import rules, sales, scans
from .counter import UNITS, cast
from .day import Day, SECOND
from .world import World

START = datetime(2026, 6, 9, 7, 30)
SALES, HOURS_OPEN = 1_380, 13
# Four sales in a hundred begin a story; most stories are three or four messages.
STORIES_IN_HUNDRED = 4


def stories(day, t):
    kind = day.rng.choice(["pharmacy", "hospital"])
    choice = day.rng.random() < 0.5
    return [
        lambda: sales.retry(day, t), lambda: sales.resend(day, t), lambda: sales.double_channel(day, t, choice),
        lambda: sales.resale(day, t, choice), lambda: sales.partial_return(day, t),
        lambda: sales.split(day, t, kind), lambda: sales.split_returned(day, t),
        lambda: sales.second_return(day, t, kind), lambda: sales.same_institution(day, t, kind),
        lambda: sales.close_gap(day, t, kind), lambda: sales.long_gap(day, t, kind),
        lambda: sales.self_paid_first(day, t), lambda: sales.without_the_line(day, t),
        lambda: sales.all_or_nothing(day, t), lambda: sales.reminded_retry(day, t),
        lambda: scans.wrong_scan(day, t), lambda: rules.no_code(day, t, kind), lambda: rules.products(day, t, kind),
    ]


def told():
    world = World("busy", "863")
    cast(world, 40, 20)
    day = Day(world, START, "busy day", terse=True)
    day.common = [world.drug(units) for units in UNITS * 3]
    for _ in range(SALES):
        t = START + day.rng.randrange(HOURS_OPEN * 3600) * SECOND
        if day.rng.random() * 100 < STORIES_IN_HUNDRED:
            day.rng.choice(stories(day, t))()
        elif day.rng.random() < 0.05:
            line = day.line(packs=1)
            part = day.rng.randint(1, line.drug.units)
            sales.draw(day, t, day.anyone(), line, part, tag="fresh-split", recorded=True)
        else:
            sales.fresh(day, t, packs_max=6)
    return day.files()
