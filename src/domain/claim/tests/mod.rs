//! The state machine of one code against a model that knows what really happened.
//!
//! `truth` holds the sales as they were, each with its messages, returns and void, and says by naive interval
//! arithmetic which are open and which collide. `steps` makes such truths from random steps. The fold sees only
//! the messages, in any order of arrival, and must find the truth again.

mod attempts;
mod properties;
mod steps;
mod truth;

/// Smallest priced units in the pack.
const PACK: i64 = 36;
/// A report later than this only proposes, in minutes.
const PROPOSAL_LIMIT_MINUTES: i64 = 3 * 24 * 60;
/// Two sales at two institutions at most this far apart are "close", in minutes.
const CLOSE_WINDOW_MINUTES: i64 = 7 * 24 * 60;
