//! The cells one by one: rows, orders, the crew, the table.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use supervisor_api::{ChildKey, Row};

use super::{SMALL, bare, block_on, exhaust, explore, thread};
use crate::row::{RowCell, SlotRow};
use crate::run::Crew;
use crate::slot::{RUN, STOP, Slot};
use crate::sync::atomic::{AtomicU32, Ordering};

fn row(n: u64) -> SlotRow {
    let row = Row { generation: n, attempt: n as u32, restart_count: n as u32, ..Row::DECLARED };
    SlotRow {
        row,
        as_of: n,
        killing: !n.is_multiple_of(2),
        failed: n > 0 && n.is_multiple_of(2),
        ..SlotRow::DECLARED
    }
}

#[test]
fn a_row_is_read_whole_and_never_goes_back() {
    explore(3_000, || {
        let cell = Arc::new(RowCell::default());
        cell.write(row(0));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let cell = Arc::clone(&cell);
                thread(move || {
                    let mut last = 0;
                    for _ in 0..2 {
                        let read = cell.read();
                        assert_eq!(read, row(read.as_of), "half of one row and half of another");
                        assert!(read.as_of >= last, "a row goes back");
                        last = read.as_of;
                    }
                })
            })
            .collect();
        (1..=3).for_each(|n| cell.write(row(n)));
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert_eq!(cell.read(), row(3));
    });
}

#[test]
fn an_order_is_never_slept_over() {
    exhaust(200_000, || {
        let slot = Arc::new(Slot::default());
        let task = shuttle::future::spawn({
            let slot = Arc::clone(&slot);
            let mut known = false;
            // As a host does it: the waker is left before the order is read.
            poll_fn(move |cx| {
                if !known {
                    known = true;
                    slot.cell().waker = Some(cx.waker().clone());
                }
                let order = slot.order();
                if order.has(RUN) && order.has(STOP) {
                    Poll::Ready(order.generation())
                } else {
                    Poll::Pending
                }
            })
        });
        let driver = thread({
            let slot = Arc::clone(&slot);
            move || {
                slot.order_run(7, 0, 1);
                slot.ring();
                slot.raise(STOP);
                slot.ring();
            }
        });
        assert_eq!(block_on(task).unwrap(), 7);
        driver.join().unwrap();
    });
}

#[test]
fn a_crew_is_closed_or_joined_and_never_both() {
    explore(3_000, || {
        let tree = bare([], &SMALL);
        let crew = Arc::new(Crew::new(tracing::Span::none()));
        let ran = Arc::new(AtomicU32::new(0));
        let joins = thread({
            let (tree, crew, ran) = (Arc::clone(&tree), Arc::clone(&crew), Arc::clone(&ran));
            move || {
                let run = async move { ran.fetch_add(1, Ordering::SeqCst) };
                crew.spawn(&tree, ChildKey::ROOT, 1, run);
            }
        });
        // The one that closes waits, as a host does: it is rung when the last member leaves.
        let slot = tree.table.slot(0);
        let mut known = false;
        let ran_at_close = block_on(poll_fn(|cx| {
            if !known {
                known = true;
                slot.cell().waker = Some(cx.waker().clone());
            }
            if crew.close_if_empty() { Poll::Ready(ran.load(Ordering::SeqCst)) } else { Poll::Pending }
        }));
        joins.join().unwrap();
        assert!(crew.is_empty());
        assert_eq!(ran.load(Ordering::SeqCst), ran_at_close, "a member ran after the crew was closed");
    });
}

#[test]
fn a_slot_is_the_same_for_everybody_who_asks_first() {
    explore(500, || {
        let tree = bare([], &SMALL);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let tree = Arc::clone(&tree);
                thread(move || _ = tree.table.slot(70).raise(STOP))
            })
            .collect();
        let found = std::ptr::from_ref(tree.table.slot(70));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert!(tree.table.slot(70).order().has(STOP) && std::ptr::eq(found, tree.table.slot(70)));
    });
}
