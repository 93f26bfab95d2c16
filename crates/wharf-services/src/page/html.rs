//! The pages that Wharf writes itself: plain HTML without scripts and without anything
//! from elsewhere. Functions without I/O.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::path::{encode, encoded};
use super::root::Listing;
use crate::date::{Utc, unix_seconds};

const STYLE: &str = include_str!("style.css");

/// A line of waves below the title.
const WAVES: &str = "<svg class=\"waves\" aria-hidden=\"true\"><defs><pattern id=\"w\" width=\"36\" \
height=\"14\" patternUnits=\"userSpaceOnUse\"><path d=\"M0 9q9-9 18 0t18 0\" fill=\"none\" \
stroke=\"currentColor\" stroke-width=\"2\"/></pattern></defs><rect width=\"100%\" height=\"14\" \
fill=\"url(#w)\"/></svg>";

/// One line of Wharf's own page: a service, where it is and how to try it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub service: String,
    /// What it does.
    pub about: String,
    /// Over what: tcp, udp, tls, unix.
    pub over: String,
    /// The addresses that it listens on.
    pub places: String,
    /// The command that talks to it.
    pub command: String,
}

/// Wharf's own page: what runs here.
pub(super) fn own(rows: &[Row]) -> String {
    let groups = rows.chunk_by(|one, other| one.service == other.service);
    let table: String = groups.map(group).collect();
    let example = rows
        .iter()
        .find(|row| row.service == "upper" && row.over == "tcp");
    let talk = example.map_or(String::new(), |row| {
        format!(
            "<h2>Try one</h2>\n<p>In a terminal on this machine:</p>\n\
             <pre tabindex=\"0\"><code>$ echo 'a lower case sentence' | {}\nA LOWER CASE SENTENCE</code></pre>\n",
            escape(&row.command)
        )
    });
    let content = format!(
        "<p>This page comes from <strong>wharf serve</strong>: services to talk to, for people who \
         learn, teach or test how programs speak over a network.</p>\n\
         <h2 id=\"services\">What runs here</h2>\n\
         <div class=\"frame\" tabindex=\"0\" role=\"region\" aria-labelledby=\"services\"><table>\n\
         <caption>Services, where they listen, and how to try them</caption>\n\
         <thead><tr><th scope=\"col\">service</th>\
         <th scope=\"col\">over</th><th scope=\"col\">listens on</th><th scope=\"col\">try</th></tr></thead>\n\
         {table}</table></div>\n\
         {talk}\
         <h2>How did this page get here?</h2>\n\
         <p>Your browser looked up a name, opened a connection to a port, sent a request and read a \
         reply. <code>wharf get -v URL</code> does the same and tells each step with its time.</p>\n\
         <h2>Serve your own files</h2>\n\
         <pre tabindex=\"0\"><code>$ wharf serve page 8000 --root .</code></pre>\n"
    );
    page("Wharf", "Wharf", &content)
}

/// The rows of one service: what it is is said once.
fn group(rows: &[Row]) -> String {
    let mut group = String::from("<tbody>\n");
    for (index, row) in rows.iter().enumerate() {
        let name = match index {
            0 => format!(
                "<th scope=\"rowgroup\" rowspan=\"{}\">{}<span class=\"about\">{}</span></th>",
                rows.len(),
                escape(&row.service),
                escape(&row.about)
            ),
            _ => String::new(),
        };
        // A String takes every write.
        let _ = writeln!(
            group,
            "<tr>{name}<td>{}</td><td>{}</td><td><code>{}</code></td></tr>",
            escape(&row.over),
            escape(&row.places),
            escape(&row.command)
        );
    }
    group + "</tbody>\n"
}

/// The listing of a folder.
pub(super) fn listing(names: &[Vec<u8>], Listing { entries, is_cut }: &Listing) -> String {
    let place = names
        .iter()
        .map(|name| String::from_utf8_lossy(name))
        .collect::<Vec<_>>();
    let title = format!(
        "/{}{}",
        place.join("/"),
        if names.is_empty() { "" } else { "/" }
    );
    let mut table = String::new();
    if let Some((_, above)) = names.split_last() {
        let above = match above {
            [] => "/".to_owned(),
            names => format!("/{}/", encoded(names)),
        };
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\"><a href=\"{above}\">..</a></th><td class=\"number\"></td><td class=\"date\">\
             the folder above</td></tr>"
        );
    }
    for entry in entries {
        let name = String::from_utf8_lossy(&entry.name);
        let slash = if entry.is_folder { "/" } else { "" };
        let size = match entry.is_folder {
            true => String::new(),
            false => size(entry.length),
        };
        let _ = writeln!(
            table,
            "<tr><th scope=\"row\"><a href=\"./{}{slash}\">{}{slash}</a></th><td class=\"number\">{size}</td>\
             <td class=\"date\">{}</td></tr>",
            encode(&entry.name),
            escape(&name),
            entry.modified.map(date).unwrap_or_default()
        );
    }
    let mut note = match (entries.len(), *is_cut) {
        (0, false) => "Nothing is here.".to_owned(),
        (0, true) => "Nothing that can be listed was found".to_owned(),
        (1, _) => "1 entry".to_owned(),
        (count, _) => format!("{count} entries"),
    };
    if *is_cut {
        note += ", and there is more that was not looked at";
    }
    let content = format!(
        "<p class=\"soft\">{note}</p>\n\
         <div class=\"frame\"><table>\n<caption>Files and folders</caption>\n\
         <thead><tr><th scope=\"col\">name</th><th scope=\"col\" class=\"number\">size</th>\
         <th scope=\"col\">changed (UTC)</th></tr></thead>\n<tbody>\n{table}</tbody></table></div>\n"
    );
    page(&title, &title, &content)
}

/// A page that says why there is none.
pub(super) fn failure(status: u16, words: &str, why: &str) -> String {
    let content = format!(
        "<p>{}</p>\n<p><a href=\"/\">To the start</a></p>\n",
        escape(why)
    );
    page(&format!("{status} {words}"), words, &content)
}

fn page(title: &str, heading: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{}</h1>{WAVES}</header>\n<main>\n{content}</main>\n\
         <footer>served by wharf {}</footer>\n</body>\n</html>\n",
        escape(title),
        escape(heading),
        env!("CARGO_PKG_VERSION")
    )
}

/// Text that cannot be taken for HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A size for people.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 {
            return match unit {
                "B" => format!("{bytes} B"),
                _ => format!("{value:.1} {unit}"),
            };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TiB")
}

/// Day and minute in UTC.
fn date(time: SystemTime) -> String {
    Utc::from_unix(unix_seconds(time)).to_the_minute()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::root::Entry;
    use std::time::UNIX_EPOCH;

    fn entry(name: &[u8]) -> Entry {
        Entry {
            name: name.to_vec(),
            is_folder: false,
            length: 1536,
            modified: Some(UNIX_EPOCH),
        }
    }

    #[test]
    fn a_name_is_neither_html_nor_a_way_elsewhere() {
        let mut listed = Listing {
            entries: vec![entry(b"<script>"), entry(b"x\":y"), entry(b"\xff")],
            is_cut: false,
        };
        let html = listing(&[b"a&b".to_vec()], &listed);
        assert!(html.contains("3 entries</p>"));
        listed.is_cut = true;
        let cut = listing(&[], &listed);
        assert!(cut.contains("3 entries, and there is more that was not looked at</p>"));
        listed.entries.clear();
        let none = listing(&[], &listed);
        assert!(none.contains("Nothing that can be listed was found, and there is more"));
        assert!(html.contains("<title>/a&amp;b/</title>"));
        assert!(html.contains("href=\"./%3Cscript%3E\">&lt;script&gt;</a>"));
        assert!(html.contains("href=\"./x%22%3Ay\""));
        assert!(html.contains("href=\"./%FF\""));
        assert!(html.contains("1.5 KiB") && html.contains("1970-01-01 00:00"));
        assert!(!html.contains("<script"));
    }

    #[test]
    fn the_own_page_names_each_service_once_and_takes_nothing_from_elsewhere() {
        let row = |service: &str, over: &str| Row {
            service: service.into(),
            about: "sends text back in <upper> case".into(),
            over: over.into(),
            places: "127.0.0.1:12000".into(),
            command: "wharf connect :12000".into(),
        };
        let html = own(&[row("upper", "tcp"), row("upper", "udp"), row("echo", "tcp")]);
        assert_eq!(html.matches("rowspan=\"2\">upper<").count(), 1);
        assert_eq!(
            html.matches("&lt;upper&gt;").count(),
            2,
            "of upper and of echo"
        );
        for foreign in ["http://", "https://", "src=", "@import", "<script", "<link"] {
            assert!(!html.contains(foreign), "{foreign}");
        }
    }
}
