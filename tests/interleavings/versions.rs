//! Changes that expect what stands, between those who bring them, the writer, and the thread that writes full layers to
//! the tables: of two that expect the same, one comes in, whenever each of them looked.

use crate::explore;
use crate::layers::Layers;
use crate::stands::{Reaching, Recent, Stands};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::sync::mpsc::Sender;
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use std::collections::BTreeMap;

const KEYS: u32 = 2;
const CALLERS: u32 = 3;

type Rows = Mutex<BTreeMap<u32, u32>>;

/// What was logged from a position on.
struct Layer {
    from: u64,
    rows: Rows,
}

impl Layer {
    fn at(from: u64) -> Self {
        Self { from, rows: Rows::default() }
    }

    fn version(&self, key: u32) -> Option<u32> {
        self.rows.lock().unwrap().get(&key).copied()
    }
}

impl Reaching for Layer {
    fn from(&self) -> u64 {
        self.from
    }
}

struct Store {
    layers: Layers<Layer>,
    tables: Rows,
    end: AtomicU64,
    /// Held for a group, as the one writer thread works on one at a time.
    writer: Mutex<Sender<Arc<Layer>>>,
    /// How often the tables were asked by the writer.
    asked: AtomicU64,
}

impl Store {
    fn new(full: Sender<Arc<Layer>>) -> Arc<Self> {
        Arc::new(Self {
            layers: Layers::new(Layer::at(0)),
            tables: Rows::default(),
            end: AtomicU64::new(0),
            writer: Mutex::new(full),
            asked: AtomicU64::new(0),
        })
    }

    fn version(&self, key: u32) -> Option<u32> {
        let recent = self.layers.ask(|layer| layer.version(key));
        recent.or_else(|| self.tables.lock().unwrap().get(&key).copied())
    }

    /// Raises a key by one from the version that stands; `false` = somebody was faster.
    fn raise(&self, key: u32) -> bool {
        let expected = self.version(key);
        let checked = self.end.load(Ordering::SeqCst);
        let checked = Some(checked).filter(|_| self.version(key) == expected);
        let full = self.writer.lock().unwrap();
        let recent = Recent::of(self.layers.all());
        let stands = match recent.stands(checked, |layer| layer.version(key)) {
            Stands::At(version) => Some(version),
            Stands::AsChecked => expected,
            Stands::Unknown => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                self.version(key)
            }
        };
        if stands != expected {
            return false;
        }
        self.layers.active().rows.lock().unwrap().insert(key, expected.unwrap_or(0) + 1);
        let end = self.end.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some(layer) = self.layers.freeze(Layer::at(end)) {
            full.send(layer).unwrap();
        }
        true
    }

    /// As the thread that writes the tables does.
    fn flush(&self, layer: &Layer) {
        let rows = layer.rows.lock().unwrap().clone();
        self.tables.lock().unwrap().extend(rows);
        self.layers.thaw();
    }
}

#[test]
fn no_change_comes_in_over_one_that_it_did_not_see() {
    // Not in every schedule, but in some: what no schedule does is not explored.
    let (unknown, refused) =
        (Arc::new(std::sync::atomic::AtomicU64::new(0)), Arc::new(std::sync::atomic::AtomicU64::new(0)));
    let (unknown_seen, refused_seen) = (Arc::clone(&unknown), Arc::clone(&refused));
    explore(move || {
        let (full, layers) = shuttle::sync::mpsc::channel();
        let store = Store::new(full);
        let flushing = Arc::clone(&store);
        let flusher = thread::spawn(move || layers.iter().for_each(|layer| flushing.flush(&layer)));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let store = Arc::clone(&store);
                thread::spawn(move || (0..KEYS).map(|key| u32::from(store.raise(key))).collect::<Vec<_>>())
            })
            .collect();
        let raised: Vec<Vec<u32>> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        for key in 0..KEYS {
            let count: u32 = raised.iter().map(|by| by[key as usize]).sum();
            assert_eq!(store.version(key), Some(count), "each change that came in raised key {key} by one");
            refused.fetch_add(u64::from(CALLERS - count), std::sync::atomic::Ordering::Relaxed);
        }
        unknown.fetch_add(store.asked.load(Ordering::SeqCst), std::sync::atomic::Ordering::Relaxed);
        // Ends the flusher: nobody can fill a layer any more.
        *store.writer.lock().unwrap() = shuttle::sync::mpsc::channel().0;
        flusher.join().unwrap();
    });
    let seen = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed) > 0;
    assert!(seen(&unknown_seen) && seen(&refused_seen), "some were refused, and some had to ask the tables");
}
