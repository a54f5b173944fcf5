//! Which I/O driver the gateways of a test use, and the macro that runs a test on both.

use std::cell::Cell;

/// The two ways to the kernel that every behaviour must survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// What the gateway chooses itself where the kernel allows it.
    IoUring,
    /// `RINGWAY_DRIVER=epoll`.
    Epoll,
}

thread_local! {
    static CURRENT: Cell<Driver> = const { Cell::new(Driver::IoUring) };
}

impl Driver {
    /// The driver of the test that runs on this thread.
    pub fn current() -> Driver {
        CURRENT.get()
    }

    /// Runs a test whose gateways use this driver.
    pub fn run(self, story: fn()) {
        CURRENT.set(self);
        story();
    }

    /// What the environment of the gateway must say.
    pub fn environment(self) -> Option<(&'static str, &'static str)> {
        match self {
            Driver::IoUring => None,
            Driver::Epoll => Some(("RINGWAY_DRIVER", "epoll")),
        }
    }
}

/// Makes two tests of each named function: `name::on_io_uring` and `name::on_epoll`. The functions
/// stand outside of the macro so that they are formatted and checked like any other; one that is
/// not named is dead code, which the lints report.
#[macro_export]
macro_rules! both_drivers {
    ($($name:ident),+ $(,)?) => {
        $(
            mod $name {
                #[test]
                fn on_io_uring() {
                    $crate::support::Driver::IoUring.run(super::$name);
                }

                #[test]
                fn on_epoll() {
                    $crate::support::Driver::Epoll.run(super::$name);
                }
            }
        )+
    };
}
