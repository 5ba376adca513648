//! Positions are brought from what stands to what is wanted; their names read back; a hash knows no order.

use super::*;
use rust_decimal::Decimal;

fn institution() -> InstitutionCode {
    InstitutionCode::parse("P13010200101").unwrap()
}

fn position(sold: i64, platform: &str, records: [u32; 3]) -> Position {
    let platform = platform.parse().unwrap();
    Position { platform, filed: Decimal::ZERO, opening: Decimal::ZERO, records, sold: Decimal::from(sold) }
}

fn row(n: u32, position: Position) -> (Pool, String, Position) {
    (Pool::Institution(institution()), format!("XR05CBA198A001010{n:07}"), position)
}

#[test]
fn positions_are_brought_to_what_is_wanted() {
    #[track_caller]
    fn check(wanted: Position, stands: &Position, adds: usize) {
        let made = adds_for(vec![row(1, wanted.clone())], std::slice::from_ref(stands));
        assert_eq!(made.len(), adds, "{made:?}");
        let mut now = stands.clone();
        for (_, _, delta) in made {
            match delta {
                PositionDelta::Sold(units) => now.sold += units,
                PositionDelta::Bought(source, units, records) => now.count(source, units, records),
            }
        }
        assert_eq!(now, wanted);
    }
    check(position(0, "0", [0; 3]), &Position::default(), 0);
    check(position(5, "2.50", [1, 0, 0]), &Position::default(), 2);
    check(position(5, "2.5", [1, 0, 0]), &position(5, "2.50", [1, 0, 0]), 0);
    // Added twice, or too much: it is taken back.
    check(position(5, "2.5", [1, 0, 0]), &position(10, "5", [2, 0, 0]), 2);
    check(position(-3, "0", [0, 2, 0]), &position(0, "0", [0, 0, 1]), 3);
}

#[test]
fn names_of_positions_read_back() {
    let name = |text: &str| read_position_name(text.as_bytes());
    let own = Pool::Institution(institution());
    assert_eq!(name("iP13010200101\u{1f}X1"), Some((own, "X1".to_owned())));
    assert_eq!(name("cchain-1\u{1f}X1"), Some((Pool::Chain("chain-1".to_owned()), "X1".to_owned())));
    for wrong in ["", "i", "iP1\u{1f}X", "xP13010200101\u{1f}X", "cchain-1"] {
        assert_eq!(name(wrong), None, "{wrong:?}");
    }
}

fn stock(pieces: &[Piece]) -> Inventory {
    let mut inventory = Inventory::begin([1; 16]).unwrap();
    pieces.iter().for_each(|piece| inventory.add(piece).unwrap());
    inventory
}

#[test]
fn an_inventory_knows_every_row_and_no_order() {
    let piece = |positions: Vec<(Pool, String, Position)>| Piece { positions, ..Piece::default() };
    let (one, two) = (row(1, position(1, "2.50", [1, 0, 0])), row(2, position(4, "0", [0; 3])));
    let whole = stock(&[piece(vec![one.clone(), two.clone()])]);
    assert_eq!(whole, stock(&[piece(vec![two.clone()]), piece(vec![one.clone()])]));
    let nothing = row(3, Position::default());
    let same_amount = row(1, position(1, "2.5", [1, 0, 0]));
    assert_eq!(whole, stock(&[piece(vec![same_amount, nothing, two.clone()])]));
    for other in [
        vec![one.clone()],
        vec![one.clone(), two.clone(), two.clone()],
        vec![one, row(2, position(5, "0", [0; 3]))],
        vec![row(3, position(1, "2.50", [1, 0, 0])), two],
    ] {
        assert_ne!(whole, stock(&[piece(other)]));
    }
    assert_ne!(Inventory::begin([1; 16]).unwrap(), Inventory::begin([2; 16]).unwrap());
}

#[test]
fn a_note_is_kept_and_belongs_to_one_move() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("target");
    let mut note = Note::open(&dir, "a").unwrap();
    assert!(!note.resumes() && note.stage() == Stage::Walk { at: 0 });
    for stage in [Stage::Walk { at: 77 }, Stage::Rest, Stage::Verified] {
        note.save(stage).unwrap();
        note = Note::open(&dir, "a").unwrap();
        assert!(note.resumes() && note.stage() == stage, "{stage:?}");
    }
    let other = Note::open(&dir, "b").unwrap_err().to_string();
    assert!(other.contains("of another store (a)"), "{other}");
    note.remove().unwrap();
    std::fs::write(dir.join("log"), "").unwrap();
    let used = Note::open(&dir, "a").unwrap_err().to_string();
    assert!(used.contains("holds files"), "{used}");
}
