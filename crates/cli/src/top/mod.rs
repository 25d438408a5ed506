//! `supervisor top`: a running tree on a terminal, as it is now, and the commands on it.
//!
//! | folder | subject |
//! |---|---|
//! | `model` | what is shown and what a key makes of it; pure |
//! | `view` | from the model to the cells of the terminal; pure |
//! | `io` | the loop: keys, connection, drawing |
//! | `words` | how a state looks, and how bad it is |

#[cfg(test)]
mod fixture;
mod io;
mod model;
mod view;
mod words;

use std::io::{IsTerminal as _, stdin, stdout};

use jiff::tz::TimeZone;
use supervisor_client::Settings;
use tokio::task::LocalSet;

use self::model::Model;
use self::view::Looks;
use self::view::paper::Theme;
use crate::args::{AnswerForm, TopArgs};
use crate::exit::Exit;
use crate::paint::Paint;
use crate::steer::{Fault, Screen, order, safe};

/// Shows a running tree until somebody quits.
pub(crate) fn top(args: &TopArgs) -> Exit {
    run(args).unwrap_or_else(|fault| fault.tell(&Screen::plain(AnswerForm::Table)))
}

fn run(args: &TopArgs) -> Result<Exit, Fault> {
    if !(stdin().is_terminal() && stdout().is_terminal()) {
        return Err(Fault::usage(
            "`supervisor top` needs a terminal to draw on and to read keys from; elsewhere `supervisor status` says how a \
             tree is, and `supervisor events --follow` what happens in it",
        ));
    }
    let TopArgs { at, color, choices } = args;
    let coloured = Paint::new(*color, true).is_coloured();
    // What draws has an opinion of its own about NO_COLOR.
    ratatui::crossterm::style::force_color_output(coloured);
    let failed = |error: std::io::Error| Fault::failed(format!("cannot start: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(LocalSet::new().run_until(async {
        let settings = Settings::default();
        let (place, hello) = order::find(at.socket(), &settings).await?;
        let model = Model::new(safe(&place.display().to_string()), (&hello).into());
        let looks = Looks { theme: Theme { coloured }, zone: TimeZone::system() };
        io::run(place, settings, choices.clone(), model, looks).await
    }))
}
