//! Panics of user code end here (D14).
//!
//! Every call into a child's code goes through [`contain`]: the factory, each poll, the drop of the
//! future, the `Display` of its error. The message comes with the panic; the source location is known
//! only to the panic hook, so one is installed, once per process. It calls the hook that was there before,
//! and keeps the location only while a child's code runs on the thread. Whoever replaces the hook later
//! loses the location, never the restart.
//!
//! With `panic = "abort"` nothing can be contained: the process ends at the first panic.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};

use supervisor_api::Exit;

use crate::exit::cut;

thread_local! {
    static IN_CHILD: Cell<bool> = const { Cell::new(false) };
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Installs the hook, if nobody has yet and panics can be caught at all.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    if cfg!(panic = "abort") || std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IN_CHILD.get() && !supervisor_core::fault!(panic_loses_its_place) {
                let location = info.location().map(ToString::to_string);
                // A panic while the cell is borrowed would end the process; losing a location does not.
                LOCATION.with(|cell| {
                    if let Ok(mut cell) = cell.try_borrow_mut() {
                        *cell = location;
                    }
                });
            }
            before(info);
        }));
    });
}

/// Calls `code`, which belongs to a child, and makes an exit of its panic.
pub(crate) fn contain<T>(code: impl FnOnce() -> T) -> Result<T, Exit> {
    let outer = IN_CHILD.replace(true);
    let result = catch_unwind(AssertUnwindSafe(code));
    IN_CHILD.set(outer);
    result.map_err(|payload| {
        let location = LOCATION.with(|cell| cell.try_borrow_mut().ok().and_then(|mut cell| cell.take()));
        panicked(payload, location)
    })
}

fn panicked(payload: Box<dyn Any + Send>, location: Option<String>) -> Exit {
    let message = panic_message(payload.as_ref());
    drop_quietly(payload);
    Exit::Panicked { message: Arc::from(message), location: location.map(Arc::from) }
}

/// The text of a panic.
pub(crate) fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    cut(text.unwrap_or("a value that is not a text").to_owned(), 8 * 1024)
}

/// Drops something whose drop may panic.
pub(crate) fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(move || drop(value))) {
        // A payload whose own drop panics is not worth another try.
        std::mem::forget(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d14_message_and_location_of_a_panic_are_known() {
        install_hook();
        let line = line!() + 1;
        let exit = contain(|| panic!("lost {}", 7)).unwrap_err();
        let Exit::Panicked { message, location } = exit else { panic!("{exit}") };
        assert_eq!(&*message, "lost 7");
        let place = format!("contain.rs:{line}:");
        assert!(location.as_deref().is_some_and(|at| at.contains(&place)), "{location:?}");
    }

    #[test]
    fn d14_outside_a_child_the_hook_keeps_nothing() {
        install_hook();
        let _ = catch_unwind(|| panic!("not ours"));
        assert!(LOCATION.with(|cell| cell.borrow().is_none()));
    }

    #[test]
    fn d14_a_payload_that_panics_when_dropped_is_contained_too() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let exit = contain(|| std::panic::panic_any(Bomb)).unwrap_err();
        let Exit::Panicked { message, .. } = exit else { panic!("{exit}") };
        assert_eq!(&*message, "a value that is not a text");
    }
}
