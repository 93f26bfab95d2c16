//! What can be typed after `wharf get`.

use std::path::PathBuf;

use clap::Args;
use wharf_services::page::{MAX_REDIRECTS, Url};

use crate::quantity::{Timeout, parse_size, parse_timeout};
use crate::secret::{Source, parse_source};

/// The largest page that is taken unless another size is said: more than any page, and
/// less than fills a disk by mistake.
const MAX_SIZE: usize = 1 << 30;

/// Fetch a page.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = crate::args::exit_codes(), before_help = "\
Examples:
  wharf get :8080                      the page of a server on this machine
  wharf get http://example.org/        a page, to stdout
  wharf get https://example.org/a -o a to a file that is not there yet
  wharf get -v :8080                   how it got here: name, address, port, connection,
                                       request, reply, and how long each took")]
pub(crate) struct GetArgs {
    /// The page: http://HOST[:PORT]/PATH, the same with https, or an address with a path
    ///
    /// For example :8080/index.html, example.org/ or tls:example.org:443,pin=HASH/x.
    pub(crate) url: Url,

    /// Write the page into this file; one that is there already is not overwritten
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Overwrite the file
    #[arg(long, requires = "output")]
    pub(crate) overwrite: bool,

    /// Ask for the headers alone, and print them
    #[arg(long, conflicts_with = "output")]
    pub(crate) head: bool,

    /// How many redirects are followed
    #[arg(long, value_name = "N", default_value_t = MAX_REDIRECTS)]
    pub(crate) max_redirects: usize,

    /// The largest page that is taken
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value_t = MAX_SIZE, hide_default_value = true)]
    pub(crate) max_size: usize,

    /// Say a password first, for a server with a gate: that of FILE, - (the first line of
    /// stdin), ask (the terminal, without showing it) or env:NAME (a variable)
    #[arg(long, value_name = "FROM", value_parser = parse_source)]
    pub(crate) password_from: Option<Source>,

    /// Give up connecting after so long [default: 10s], and waiting for the next bytes of the
    /// reply [default: 30s]; or none
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Timeout>,
}
