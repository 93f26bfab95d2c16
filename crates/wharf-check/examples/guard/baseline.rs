//! What the counts were, in a file that is kept with the sources.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::process::Command;

/// By how much a path may take more instructions than recorded.
const TOLERANCE: f64 = 0.02;

/// The same where another compiler than the recorded one is at work, which chooses
/// other instructions for the same program.
const TOLERANCE_OTHER_COMPILER: f64 = 0.10;

/// The recorded counts.
pub(crate) struct Baseline {
    compiler: String,
    counts: BTreeMap<String, u64>,
}

/// What became of a path.
pub(crate) enum Verdict {
    /// Within the tolerance; the change.
    Same(f64),
    Faster(f64),
    Slower(f64),
    /// It is not in the file.
    Unknown,
}

impl Verdict {
    /// A path without a record would never be guarded, so it fails as well.
    pub(crate) fn fails(&self) -> bool {
        matches!(self, Verdict::Slower(_) | Verdict::Unknown)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |change: &f64| change * 100.0;
        match self {
            Verdict::Same(change) => write!(f, "{:+.2} %", percent(change)),
            Verdict::Faster(change) => {
                write!(f, "{:+.2} %, faster: record it", percent(change))
            }
            Verdict::Slower(change) => write!(f, "{:+.2} %, SLOWER", percent(change)),
            Verdict::Unknown => write!(f, "NOT RECORDED"),
        }
    }
}

impl Baseline {
    pub(crate) fn of(counts: &[(String, u64)]) -> Result<Self, String> {
        Ok(Baseline {
            compiler: compiler()?,
            counts: counts.iter().cloned().collect(),
        })
    }

    pub(crate) fn read(file: &str) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let mut baseline = Baseline {
            compiler: String::new(),
            counts: BTreeMap::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let wrong = || format!("{file}: '{line}' is not NAME COUNT");
            let (name, value) = line.split_once(' ').ok_or_else(wrong)?;
            if name == "compiler" {
                baseline.compiler = value.to_owned();
            } else {
                let count = value.trim().parse().map_err(|_| wrong())?;
                baseline.counts.insert(name.to_owned(), count);
            }
        }
        Ok(baseline)
    }

    pub(crate) fn write(&self, file: &str) -> Result<(), String> {
        let mut text = String::from(
            "# Instructions of the hot paths, as callgrind counts them.\n\
             # Written by `GUARD=update ./ci.sh guard`; compared by `./ci.sh guard`.\n",
        );
        text += &format!("compiler {}\n", self.compiler);
        for (name, count) in &self.counts {
            text += &format!("{name} {count}\n");
        }
        fs::write(file, text).map_err(|error| format!("{file}: {error}"))
    }

    /// The tolerance that holds here.
    pub(crate) fn tolerance(&self) -> Result<f64, String> {
        let here = compiler()?;
        if here == self.compiler {
            return Ok(TOLERANCE);
        }
        println!(
            "recorded with {}, this is {here}: {:.0} % are tolerated",
            self.compiler,
            TOLERANCE_OTHER_COMPILER * 100.0
        );
        Ok(TOLERANCE_OTHER_COMPILER)
    }

    pub(crate) fn judge(&self, path: &str, count: u64, tolerance: f64) -> Verdict {
        let Some(&recorded) = self.counts.get(path) else {
            return Verdict::Unknown;
        };
        let change = count as f64 / recorded as f64 - 1.0;
        if change > tolerance {
            Verdict::Slower(change)
        } else if change < -tolerance {
            Verdict::Faster(change)
        } else {
            Verdict::Same(change)
        }
    }
}

/// The compiler's name and version, without the date.
fn compiler() -> Result<String, String> {
    let output = Command::new("rustc")
        .arg("--version")
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version: Vec<&str> = text.split_whitespace().take(2).collect();
    Ok(version.join(" "))
}
