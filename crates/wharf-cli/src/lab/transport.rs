//! `wharf lab transport`: which application needs which transport, measured.

use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::json;
use wharf::names::suggest;
use wharf_lab::Link;
use wharf_lab::transport::{
    self, FEWEST_SEEDS, Judgement, PROFILES, Profile, Setting, Transport, Verdict,
};

use super::args::TransportArgs;
use super::plot;
use super::view::{Table, rate};
use super::{check_new, failed, print};
use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::{self, Style};

pub(super) fn run(common: &Common, args: &TransportArgs) -> Result<Exit, Failure> {
    let profiles = chosen(&args.profile)?;
    if let Some(path) = &args.plot {
        check_new(path)?;
    }
    let setting = Setting {
        link: Link::default()
            .rate(args.rate)
            .delay(args.delay)
            .jitter(args.jitter)
            .loss(args.loss)
            .queue(args.queue),
        seeds: args.seeds,
        first_seed: args.seed,
        span: args.span,
    };
    let progress = io::stderr().is_terminal();
    let mut results = Vec::new();
    for profile in &profiles {
        let mut both = Vec::new();
        for transport in [Transport::Tcp, Transport::Udp] {
            if progress {
                eprint!("\r\x1b[K{} over {} …", profile.name, transport.name());
            }
            let result = transport::run(profile, transport, &setting);
            both.push(result.map_err(|error| failed(&error))?);
        }
        if let (Some(udp), Some(tcp)) = (both.pop(), both.pop()) {
            results.push((tcp, udp));
        }
    }
    if progress {
        eprint!("\r\x1b[K");
    }
    let network = network(args);
    if let Some(path) = &args.plot {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let written =
            file.and_then(|mut file| file.write_all(plot::svg(&network, &results).as_bytes()));
        written.map_err(|error| {
            Failure::new(
                Exit::Failed,
                format!("cannot write {}: {error}", path.display()),
            )
        })?;
    }
    match common.json {
        true => print(&json(args, &profiles, &results)),
        false => print(&text(
            args,
            &profiles,
            &results,
            common.color.style_for(&io::stdout()),
        )),
    }?;
    Ok(Exit::Done)
}

fn chosen(key: &str) -> Result<Vec<&'static Profile>, Failure> {
    let fits = |profile: &&Profile| key == "all" || profile.key == key;
    let profiles: Vec<&Profile> = PROFILES.iter().filter(fits).collect();
    if !profiles.is_empty() {
        return Ok(profiles);
    }
    let failure = Failure::usage(format!("there is no application {key}"));
    let keys = PROFILES.iter().map(|profile| profile.key);
    Err(match suggest(key, keys.chain(["all"])) {
        Some(near) => failure.cure(format!("--profile {near}")),
        None => failure.cure("--profile all"),
    })
}

fn network(args: &TransportArgs) -> String {
    format!(
        "{}, {} each way and up to {} more, {:.1} % loss, a queue of {}, {} seeds",
        rate(args.rate as f64),
        style::duration(args.delay),
        style::duration(args.jitter),
        args.loss * 100.0,
        style::bytes(args.queue as u64),
        args.seeds,
    )
}

fn json(args: &TransportArgs, profiles: &[&Profile], results: &[(Judgement, Judgement)]) -> String {
    let mut text = String::new();
    for (profile, (tcp, udp)) in profiles.iter().zip(results) {
        for result in [tcp, udp] {
            let mut object = serde_json::to_value(result).unwrap_or_default();
            object["event"] = json!("lab-transport");
            object["needs"] = json!({
                "data_loss": profile.row[0],
                "throughput": profile.row[1],
                "time_sensitive": profile.row[2],
            });
            object["network"] = json!({
                "rate": args.rate,
                "delay": args.delay.as_secs_f64(),
                "jitter": args.jitter.as_secs_f64(),
                "loss": args.loss,
                "queue": args.queue,
            });
            object["tcp_model"] = json!("CUBIC, RTO at least 1 s, no SACK");
            text += &format!("{object}\n");
        }
    }
    text
}

fn text(
    args: &TransportArgs,
    profiles: &[&Profile],
    results: &[(Judgement, Judgement)],
    style: Style,
) -> String {
    let mut text = format!("{}\n\n", network(args));
    for (profile, (tcp, udp)) in profiles.iter().zip(results) {
        let [loss, throughput, time] = profile.row;
        text += &format!(
            "{}   needs: {loss}; {throughput}; time-sensitive: {time}\n",
            style.name(profile.name)
        );
        let mut table = Table::new(&[
            "", "verdict", "unusable", "lost", "p50", "p95", "p99", "most", "seeds",
        ]);
        for result in [tcp, udp] {
            // What never arrived has no delay.
            let late = |seconds: f64| match result.lost < 1.0 {
                true => style::duration(Duration::from_secs_f64(seconds.max(0.0))),
                false => "–".to_owned(),
            };
            let word = match (result.verdict, result.broken) {
                (None, _) => "–".to_owned(),
                (Some(Verdict::Good), _) => "good".to_owned(),
                (Some(verdict), need) => format!("{}: {}", verdict.name(), need.unwrap_or("")),
            };
            table.row(vec![
                result.transport.to_owned(),
                word,
                format!("{:.1} %", result.unusable * 100.0),
                format!("{:.1} %", result.lost * 100.0),
                late(result.p50),
                late(result.p95),
                late(result.p99),
                late(result.most),
                plot::sparkline(&result.by_seed),
            ]);
        }
        for line in table.text().lines() {
            text += &format!("  {line}\n");
        }
        text.push('\n');
    }
    if args.seeds < FEWEST_SEEDS as u64 {
        text += &format!("fewer than {FEWEST_SEEDS} seeds make no verdict\n\n");
    }
    text += NOTES;
    text
}

/// What has to be known beside the numbers.
const NOTES: &str = "\
unusable  lost, or later than the application can wait: one number fair to both
good      for nine seeds of ten; marginal is between what is preferred and the limit
security  neither TCP nor UDP gives it: TLS does, over TCP (and DTLS or QUIC over UDP)
TCP here  is a textbook one: CUBIC, a retransmission timeout of at least 1 s (RFC 6298)
          and no selective acknowledgements. Linux has both SACK and a timeout from
          0.2 s, and carries 1.2 to 2.5 times as much at 1 to 5 % loss; its delays
          under loss are shorter, and its verdicts sometimes a step better.
UDP here  sends without control or repair; applications that need more add it
sources   needs: Kurose and Ross, requirements of selected network applications;
          bounds: 3GPP TS 22.105 tables A-1 and A-2, ITU-T G.114 (400 ms)
";
