//! The edge cases of the trade as stories, one row a story, named by the number of the case.
//!
//! `world` is a small province with a ledger of its own; `story` tells what happens in it. Cases about
//! requests, limits and outages are told at the engine, in the integration tests.

mod codes;
mod duplicates;
mod explained;
mod messages;
mod past;
mod policy;
mod provisional;
mod purchases;
mod returns;
mod reviewed;
mod splits;
mod story;
mod times;
mod world;

use story::{line, split};
use world::World;

/// A box of drug A: a small pack of 36 capsules.
const BOX: &str = "83003850000000131888";
/// Another box of drug A.
const BOX_2: &str = "83003850000000131995";
/// A box of drug B, 12 tablets.
const BOX_B: &str = "87577040000000015130";
/// A box of drug U, whose units nobody knows.
const BOX_UNKNOWN: &str = "81853860111704596503";
/// A box with a prefix that is not in the map.
const BOX_UNMAPPED: &str = "83857930000879766660";
/// A carton of the infusion K, the only code there is: 120 bottles.
const CARTON_ONLY: &str = "81012350000000157474";

/// A name that begins with the case's number, and the story.
type Row = (&'static str, fn(&mut World));

/// Tells every story in a world of its own.
fn check(rows: &[Row]) {
    for (name, story) in rows {
        story(&mut World::new(name));
    }
}
