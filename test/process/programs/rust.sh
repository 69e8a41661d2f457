# A Rust program on the system's allocator.
needs=cc
wants=rustc

prepare()
{
	cat >"$shared/main.rs" <<'R'
use std::alloc::{alloc, dealloc, Layout};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn main() {
    let shared = Arc::new(Mutex::new(BTreeMap::<String, Vec<u64>>::new()));
    let (tx, rx) = mpsc::channel::<Box<[u8]>>();
    let mut threads = vec![];
    for t in 0..4u64 {
        let (shared, tx) = (shared.clone(), tx.clone());
        threads.push(thread::spawn(move || {
            let mut queue = VecDeque::new();
            for i in 0..30000u64 {
                queue.push_back(format!("{:>width$}", i, width = (i % 200) as usize));
                if queue.len() > 500 { queue.pop_front(); }
                if i % 10 == 0 {
                    shared.lock().unwrap().entry(format!("k{}", i % 777)).or_default().push(t * i);
                    tx.send(vec![t as u8; (i % 3000) as usize].into_boxed_slice()).unwrap();
                }
            }
        }));
    }
    drop(tx);
    let bytes: usize = rx.iter().map(|b| b.len()).sum();
    for t in threads { t.join().unwrap(); }
    let map = shared.lock().unwrap();
    let sum: u64 = map.values().flatten().sum();
    let mut h = HashMap::new();
    for i in 0..200000u32 { *h.entry(i % 5000).or_insert_with(String::new) += "x"; }
    for shift in 0..22 {
        let l = Layout::from_size_align(100, 1 << shift).unwrap();
        unsafe { let p = alloc(l); assert!(p as usize % (1 << shift) == 0); dealloc(p, l); }
    }
    println!("{} {} {} {}", bytes, map.len(), sum, h.values().map(|s| s.len()).sum::<usize>());
}
R
	cd "$shared" && rustc -O -o program main.rs >&2 && cd - >/dev/null
}

job() { "$shared/program"; }
