//! The layers in memory between a writer, the thread that writes them to the tables, and readers: what was acknowledged
//! is found by everybody who asks later, wherever it lies by then.

use crate::explore;
use crate::layers::Layers;
use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use std::collections::BTreeMap;

type Rows = Mutex<BTreeMap<u32, u32>>;

const KEYS: u32 = 3;
const VERSIONS: u32 = 2;

struct Store {
    layers: Layers<Rows>,
    tables: Rows,
    /// The version of each key whose change was acknowledged.
    acknowledged: Vec<AtomicU32>,
}

impl Store {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            layers: Layers::new(Rows::default()),
            tables: Rows::default(),
            acknowledged: (0..KEYS).map(|_| AtomicU32::new(0)).collect(),
        })
    }

    /// As the writer does: into the active layer, then the answer; now and then the layer is handed over.
    fn write(&self, full: &shuttle::sync::mpsc::Sender<Arc<Rows>>) {
        for version in 1..=VERSIONS {
            for key in 0..KEYS {
                self.layers.active().lock().unwrap().insert(key, version);
                self.acknowledged[key as usize].store(version, Ordering::SeqCst);
                if key % 2 == 0
                    && let Some(layer) = self.layers.freeze(Rows::default())
                {
                    full.send(layer).unwrap();
                }
            }
        }
    }

    /// As the thread that writes the tables does.
    fn flush(&self, layer: &Rows) {
        let rows: Vec<_> = layer.lock().unwrap().iter().map(|(key, version)| (*key, *version)).collect();
        for (key, version) in rows {
            self.tables.lock().unwrap().insert(key, version);
        }
        self.layers.thaw();
    }

    /// As a reader of one row does.
    fn read(&self, key: u32) -> u32 {
        let recent = self.layers.ask(|rows| rows.lock().unwrap().get(&key).copied());
        recent.or_else(|| self.tables.lock().unwrap().get(&key).copied()).unwrap_or(0)
    }

    /// As a reader of everything does.
    fn read_all(&self) -> BTreeMap<u32, u32> {
        let layers = self.layers.all();
        let mut found = self.tables.lock().unwrap().clone();
        for layer in layers.iter().rev() {
            found.extend(layer.lock().unwrap().iter().map(|(key, version)| (*key, *version)));
        }
        found
    }
}

#[test]
fn what_was_acknowledged_is_found_wherever_it_lies() {
    explore(|| {
        let store = Store::new();
        let (full, layers) = shuttle::sync::mpsc::channel();
        let writing = Arc::clone(&store);
        let writer = thread::spawn(move || writing.write(&full));
        let flushing = Arc::clone(&store);
        let flusher = thread::spawn(move || layers.iter().for_each(|layer| flushing.flush(&layer)));
        let readers = [0, 1, KEYS].map(|key| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let acknowledged = |key: u32| store.acknowledged[key as usize].load(Ordering::SeqCst);
                if key < KEYS {
                    let (before, found) = (acknowledged(key), store.read(key));
                    assert!(found >= before, "key {key} was acknowledged at {before} and read at {found}");
                } else {
                    let before: Vec<_> = (0..KEYS).map(acknowledged).collect();
                    let found = store.read_all();
                    for (key, before) in (0..KEYS).zip(before) {
                        let found = found.get(&key).copied().unwrap_or(0);
                        assert!(
                            found >= before,
                            "key {key} was acknowledged at {before} and listed at {found}"
                        );
                    }
                }
            })
        });
        writer.join().unwrap();
        flusher.join().unwrap();
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(store.read_all(), (0..KEYS).map(|key| (key, VERSIONS)).collect());
    });
}
