//! Memory per connection: many are opened, exchange one message each, and fall silent.

use std::fs;
use std::ops::Range;
use std::time::Duration;

use tokio::task::JoinSet;
use wharf::address::Address;
use wharf::client::Client;
use wharf::connection::Connection;
use wharf_check::load::{Exchange, memory_of};

/// How many connections are opened at the same time.
const OPENING_AT_MOST: usize = 64;

/// How long all of it may take.
const DEADLINE: Duration = Duration::from_secs(60);

/// After the last reply: time for what a server frees when it is done with it.
const SETTLE: Duration = Duration::from_millis(200);

/// So many are open before memory is read for the first time: what a server sets up once,
/// with its first clients, belongs to none of the others.
pub(crate) const FIRST: usize = 10;

/// What a connection says, and what it has to hear; each has a number.
pub(crate) type Greeting = fn(usize) -> Exchange;

/// A message to an echo.
pub(crate) fn echo(_: usize) -> Exchange {
    let message = b"hello, and now silence\n".to_vec();
    Exchange {
        request: message.clone(),
        reply: message,
    }
}

/// The login of a user to a chat.
pub(crate) fn login(number: usize) -> Exchange {
    Exchange {
        request: format!("HELLO-FROM idle{number}\n").into_bytes(),
        reply: format!("HELLO idle{number}\n").into_bytes(),
    }
}

/// Opens `count` connections to `address`; the memory of the server and its children per
/// connection, in bytes.
pub(crate) fn memory_per_connection(
    address: &Address,
    count: usize,
    server: u32,
    greeting: Greeting,
) -> Result<f64, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let first = open(address, 0..FIRST, greeting).await?;
        tokio::time::sleep(SETTLE).await;
        let before = own_memory(server)?;
        let held = open(address, FIRST..FIRST + count, greeting).await?;
        tokio::time::sleep(SETTLE).await;
        let with = own_memory(server)?;
        drop((first, held));
        Ok((with - before) / count as f64)
    })
}

async fn open(
    address: &Address,
    numbers: Range<usize>,
    greeting: Greeting,
) -> Result<Vec<Connection>, String> {
    tokio::time::timeout(DEADLINE, open_all(address, numbers, greeting))
        .await
        .map_err(|_| format!("not all were open after {DEADLINE:?}"))?
}

async fn open_all(
    address: &Address,
    numbers: Range<usize>,
    greeting: Greeting,
) -> Result<Vec<Connection>, String> {
    let client = Client::new().connect_timeout(Some(DEADLINE));
    let mut opening = JoinSet::new();
    let mut held = Vec::with_capacity(numbers.len());
    for number in numbers {
        if opening.len() == OPENING_AT_MOST {
            held.extend(opened(&mut opening).await?);
        }
        let (client, address) = (client.clone(), address.clone());
        opening.spawn(async move { greet(&client, &address, greeting(number)).await });
    }
    while let Some(one) = opened(&mut opening).await? {
        held.push(one);
    }
    Ok(held)
}

async fn opened(
    opening: &mut JoinSet<Result<Connection, String>>,
) -> Result<Option<Connection>, String> {
    match opening.join_next().await {
        None => Ok(None),
        Some(Ok(outcome)) => outcome.map(Some),
        Some(Err(error)) => Err(error.to_string()),
    }
}

async fn greet(
    client: &Client,
    address: &Address,
    exchange: Exchange,
) -> Result<Connection, String> {
    let mut connection = client
        .connect(address)
        .await
        .map_err(|error| error.to_string())?;
    connection
        .write_all(&exchange.request)
        .await
        .map_err(|error| error.to_string())?;
    let mut reply = Vec::new();
    while reply.len() < exchange.reply.len() {
        match connection.read_chunk().await {
            Ok(Some(chunk)) => reply.extend_from_slice(&chunk),
            Ok(None) => return Err("closed before the reply".into()),
            Err(error) => return Err(error.to_string()),
        }
    }
    if reply != exchange.reply {
        return Err("a wrong reply".into());
    }
    Ok(connection)
}

/// Anonymous memory – heap and stacks – of a process and all that descend from it, in bytes.
/// Pages of files are not in it: how many of the program's are there depends on what else
/// has run it.
pub(crate) fn own_memory(pid: u32) -> Result<f64, String> {
    let own = memory_of(pid).map_err(|error| format!("the server's memory: {error}"))?;
    // A child that has just ended has none.
    let below: f64 = children(pid)
        .into_iter()
        .filter_map(|child| own_memory(child).ok())
        .sum();
    Ok(own.anonymous as f64 + below)
}

/// The children of all threads of a process (proc(5), `/proc/pid/task/tid/children`).
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|text| {
            let numbers = text.split_whitespace().map(str::parse);
            numbers.flatten().collect::<Vec<_>>()
        })
        .collect()
}
