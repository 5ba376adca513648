//! The commands that the ledger sends. Each may arrive twice: whoever wrote a value is named in its first bytes, so
//! that a writer whose answer was lost finds its own name.

use super::cell::Cell;
use super::decision::DecisionId;
use super::layout::{ClaimPlace, FieldPlace};
use redis::Cmd;

/// Swaps a claim: KEYS bucket, own key; ARGV field, writer, expected writer (empty = nothing stands), the short form,
/// the long one (both empty = nothing shall stand). Gives the writer where it stands now, else what stands.
const SWAP_CLAIM: &str = "local now = redis.call('HGET', KEYS[1], ARGV[1])
if now == '=' then now = redis.call('GET', KEYS[2]) end
local writer = now and string.sub(now, 1, 8) or ''
if writer == ARGV[2] and (ARGV[4] ~= '' or ARGV[5] ~= '') then return ARGV[2] end
if writer ~= ARGV[3] then return now end
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], '=')
  redis.call('SET', KEYS[2], ARGV[5])
else
  redis.call('DEL', KEYS[2])
  if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[4]) else redis.call('HDEL', KEYS[1], ARGV[1]) end
end
return ARGV[2]";

/// Swaps a record: KEYS key; ARGV writer, expected writer, the new value (empty = nothing shall stand).
const SWAP_RECORD: &str = "local now = redis.call('GET', KEYS[1])
local writer = now and string.sub(now, 1, 8) or ''
if writer == ARGV[1] and ARGV[3] ~= '' then return ARGV[1] end
if writer ~= ARGV[2] then return now end
if ARGV[3] ~= '' then redis.call('SET', KEYS[1], ARGV[3]) else redis.call('DEL', KEYS[1]) end
return ARGV[1]";

/// Puts registry rows with their version: KEYS head, rows; ARGV writer, expected version, version, moment, then
/// identities and rows. Gives 1 where they stand.
const PUT_ROWS: &str = "if redis.call('HGET', KEYS[1], 'by') == ARGV[1] then return 1 end
if (redis.call('HGET', KEYS[1], 'version') or '0') ~= ARGV[2] then return 0 end
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[1], 'by', ARGV[1], 'version', ARGV[3], 'changed_at', ARGV[4])
return 1";

/// Puts back registry rows: KEYS head, rows; ARGV version, moment, then identities and rows.
const RESTORE_ROWS: &str =
    "local newer = tonumber(redis.call('HGET', KEYS[1], 'version') or '0') < tonumber(ARGV[1])
for i = 3, #ARGV, 2 do redis.call(newer and 'HSET' or 'HSETNX', KEYS[2], ARGV[i], ARGV[i + 1]) end
if newer then redis.call('HSET', KEYS[1], 'version', ARGV[1], 'changed_at', ARGV[2]) end
return 1";

/// A command with room for its arguments.
fn command(name: &str, arguments: &[&[u8]]) -> Cmd {
    let bytes = arguments.iter().map(|argument| argument.len()).sum::<usize>() + name.len();
    let mut cmd = Cmd::with_capacity(arguments.len() + 2, bytes + 8);
    cmd.arg(name);
    for argument in arguments {
        cmd.arg(*argument);
    }
    cmd
}

pub(super) fn eval(script: &str, keys: &[&[u8]]) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(script).arg(keys.len());
    for key in keys {
        cmd.arg(*key);
    }
    cmd
}

fn named(expected: Option<DecisionId>) -> Vec<u8> {
    expected.map(|by| by.bytes().to_vec()).unwrap_or_default()
}

pub(super) fn get_field(key: &[u8], field: &[u8]) -> Cmd {
    command("HGET", &[key, field])
}

pub(super) fn remove_field(key: &[u8], field: &[u8]) -> Cmd {
    command("HDEL", &[key, field])
}

pub(super) fn get(key: &[u8]) -> Cmd {
    command("GET", &[key])
}

pub(super) fn put_field_once(place: &FieldPlace, value: &[u8]) -> Cmd {
    command("HSETNX", &[&place.key, &place.field, value])
}

pub(super) fn put_claim_once(place: &ClaimPlace, short: &[u8]) -> Cmd {
    command("HSETNX", &[&place.bucket, &place.field, short])
}

pub(super) fn put_record_once(key: &[u8], long: &[u8]) -> Cmd {
    command("SET", &[key, long, b"NX", b"GET"])
}

/// Puts a cell in the place of one that `expected` wrote; `None` for a cell = nothing shall stand.
pub(super) fn swap_claim(
    place: &ClaimPlace,
    writer: DecisionId,
    expected: Option<DecisionId>,
    cell: Option<&Cell>,
) -> Cmd {
    let short = cell.and_then(Cell::short).unwrap_or_default();
    let long = cell.filter(|_| short.is_empty()).map(Cell::long).unwrap_or_default();
    let mut cmd = eval(SWAP_CLAIM, &[&place.bucket, &place.own]);
    cmd.arg(&place.field).arg(&writer.bytes()).arg(named(expected)).arg(short).arg(long);
    cmd
}

/// As [`swap_claim`], for a record.
pub(super) fn swap_record(
    key: &[u8],
    writer: DecisionId,
    expected: Option<DecisionId>,
    cell: Option<&Cell>,
) -> Cmd {
    let mut cmd = eval(SWAP_RECORD, &[key]);
    cmd.arg(&writer.bytes()).arg(named(expected)).arg(cell.map(Cell::long).unwrap_or_default());
    cmd
}

/// Puts back registry rows that were lost: what stands with a higher version stays.
pub(super) fn restore_rows(
    head: &[u8],
    rows_key: &[u8],
    version: u64,
    changed_at: i64,
    rows: &[(String, Vec<u8>)],
) -> Cmd {
    let mut cmd = eval(RESTORE_ROWS, &[head, rows_key]);
    cmd.arg(version).arg(changed_at);
    for (identity, row) in rows {
        cmd.arg(identity).arg(row);
    }
    cmd
}

/// Puts registry rows, where the version stands that was read.
pub(super) fn put_rows(
    head: &[u8],
    rows_key: &[u8],
    writer: DecisionId,
    versions: (u64, u64),
    changed_at: i64,
    rows: &[(String, Vec<u8>)],
) -> Cmd {
    let mut cmd = eval(PUT_ROWS, &[head, rows_key]);
    cmd.arg(&writer.bytes()).arg(versions.0).arg(versions.1).arg(changed_at);
    for (identity, row) in rows {
        cmd.arg(identity).arg(row);
    }
    cmd
}
