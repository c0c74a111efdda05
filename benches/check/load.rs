//! The load generator: HTTP/2 on one thread, with everything that can be made beforehand made beforehand.
//!
//! A stock gRPC client takes more time for a call than a server does, and would be what is measured. This one takes less:
//! it sends bytes that are already encoded. It shares neither core nor process with the server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tollgate::demo::service::Address;

use crate::answer::{Answer, Compare};
use crate::grpc::shake_hands;
use crate::parties::Tls;

mod closed;
mod paced;

pub(crate) use closed::saturate;
pub(crate) use paced::pace;

/// One side of the measurement: where, what, and what must come back.
pub(crate) struct Target {
    pub(crate) address: Address,
    /// None: plain text.
    pub(crate) tls: Option<Tls>,
    pub(crate) head: http::Request<()>,
    pub(crate) body: Option<Bytes>,
    pub(crate) expected: Compare,
}

/// Open connections to one target. They close when this is dropped.
pub(crate) struct Connections {
    target: Arc<Target>,
    senders: Vec<SendRequest<Bytes>>,
    _drivers: JoinSet<()>,
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Sample {
    /// In nanoseconds. At a constant rate it begins when the request should have been sent.
    pub(crate) latency: Histogram<u64>,
    /// How much later than intended requests were sent, in nanoseconds.
    pub(crate) lag: Histogram<u64>,
    /// From the first request to the last answer.
    pub(crate) took: Duration,
    pub(crate) wrong: u64,
    pub(crate) first_wrong: Option<String>,
    /// Not sent, because too many had no answer yet.
    pub(crate) missed: u64,
}

/// The generator's tasks write to one sample; they are all on one thread, so nobody waits.
type Shared = Arc<Mutex<Sample>>;

/// Enough to tell 1.000 ms from 1.001 ms.
const DIGITS: u8 = 3;
/// In nanoseconds, a minute: no request is waited for so long.
const LONGEST: u64 = 60_000_000_000;
const CONNECTS_WITHIN: Duration = Duration::from_secs(5);
/// What is under way when the time is over may take this long; after that the server hangs.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(10);

impl Target {
    pub(crate) async fn connect(self: &Arc<Self>, count: usize) -> anyhow::Result<Connections> {
        let (mut senders, mut drivers) = (Vec::new(), JoinSet::new());
        for _ in 0..count {
            let sender = tokio::time::timeout(CONNECTS_WITHIN, self.open(&mut drivers)).await;
            senders.push(sender.context("no HTTP/2 connection in time")??);
        }
        Ok(Connections { target: Arc::clone(self), senders, _drivers: drivers })
    }

    async fn open(&self, drivers: &mut JoinSet<()>) -> anyhow::Result<SendRequest<Bytes>> {
        let lost = || format!("no connection to {}", self.address);
        let address = match &self.address {
            Address::Unix(path) => {
                return shake_hands(UnixStream::connect(path).await.with_context(lost)?, drivers).await;
            }
            Address::Tcp(address) => address,
        };
        let stream = TcpStream::connect(address).await.with_context(lost)?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => shake_hands(stream, drivers).await,
            Some((tls, name)) => shake_hands(tls.connect(name.clone(), stream).await?, drivers).await,
        }
    }

    /// One request and its whole answer.
    async fn exchange(&self, sender: SendRequest<Bytes>) -> Result<Answer, h2::Error> {
        let mut sender = sender.ready().await?;
        let (response, mut sending) = sender.send_request(self.head.clone(), self.body.is_none())?;
        if let Some(body) = &self.body {
            sending.send_data(body.clone(), true)?;
        }
        let (head, mut receiving) = response.await?.into_parts();
        let mut body = BytesMut::new();
        while let Some(data) = receiving.data().await {
            let data = data?;
            receiving.flow_control().release_capacity(data.len())?;
            body.extend_from_slice(&data);
        }
        let trailers = receiving.trailers().await?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.freeze(), trailers })
    }
}

impl Connections {
    fn sender(&self, number: usize) -> Option<SendRequest<Bytes>> {
        self.senders.get(number % self.senders.len().max(1)).cloned()
    }

    /// Asks once, and says where the answer differs from what it must be.
    pub(crate) async fn once(&self) -> Result<(), String> {
        let sender = self.sender(0).ok_or("there is no connection")?;
        let answer = self.target.exchange(sender).await.map_err(|error| error.to_string())?;
        (self.target.expected)(&answer)
    }
}

impl Sample {
    fn try_new() -> anyhow::Result<Self> {
        Ok(Self {
            latency: Histogram::new_with_max(LONGEST, DIGITS)?,
            lag: Histogram::new_with_max(LONGEST, DIGITS)?,
            took: Duration::ZERO,
            wrong: 0,
            first_wrong: None,
            missed: 0,
        })
    }

    fn shared() -> anyhow::Result<Shared> {
        Ok(Arc::new(Mutex::new(Self::try_new()?)))
    }

    /// Notes an answer that just came.
    fn note(&mut self, since: Instant, expected: Compare, answer: Result<Answer, h2::Error>) {
        self.latency.saturating_record(nanos(since.elapsed()));
        let compared = answer.map_err(|error| error.to_string()).and_then(|answer| expected(&answer));
        if let Err(difference) = compared {
            self.wrong += 1;
            self.first_wrong.get_or_insert(difference);
        }
    }
}

/// Waits for the tasks, and takes the sample out.
async fn finish(mut tasks: JoinSet<()>, sample: &Shared, began: Instant, end: Instant) -> anyhow::Result<Sample> {
    let all = async { while tasks.join_next().await.is_some() {} };
    let latest = (end + LAST_ANSWERS_WITHIN).into();
    tokio::time::timeout_at(latest, all).await.context("the server does not answer any more")?;
    let mut sample = sample.lock().unwrap_or_else(PoisonError::into_inner);
    sample.took = began.elapsed();
    Ok(std::mem::replace(&mut *sample, Sample::try_new()?))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
