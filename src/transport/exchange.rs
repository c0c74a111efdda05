//! One request and its answer, as gRPC has them over HTTP/2.
//!
//! The one unary method that is asked often goes from message to message with nothing in between: no generated types, no
//! copy of a message that came in one piece. What else is asked (health) is answered by whatever service there is.
//!
//! What a request holds is counted before it is held, and an answer is handed over only as far as its client takes it: who
//! sends without end, or does not read, runs into a bound of its own.

use std::future::poll_fn;

use bytes::{Buf, Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use tonic::Status;

use super::admission::{Place, Shed};
use super::frame::{Frame, PREFIX};
use super::incoming::Incoming;
use super::{Answer, Asked};

/// Why no answer was sent: the client or its connection is gone, or it broke the protocol.
#[derive(Debug)]
pub(super) struct Gone;

impl From<h2::Error> for Gone {
    fn from(_: h2::Error) -> Self {
        Self
    }
}

/// Why a message is not there.
enum NoMessage {
    Gone,
    Refused(Status),
    Shed(Shed),
}

impl From<h2::Error> for NoMessage {
    fn from(_: h2::Error) -> Self {
        Self::Gone
    }
}

/// gRPC's content type; a suffix names the codec, which is protobuf here in any case.
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: &str = "grpc-status";

/// Whether a request is for the method that is answered from message to message.
pub(super) fn is_unary<A: Answer>(request: &Request<RecvStream>) -> bool {
    request.uri().path() == A::METHOD
}

/// Answers the method that is asked often.
pub(super) async fn unary<A: Answer>(
    answer: &A,
    (asked, place): (Asked<RecvStream>, Place),
    respond: SendResponse<Frame>,
    max_message: usize,
) -> Result<(), Gone> {
    let Asked { headers, message, arrived } = asked;
    if !is_grpc(&headers) {
        return refuse(respond, Response::builder().status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    // The place is kept until the answer is on its way.
    let mut place = place;
    let answered = match read(message, max_message, &mut place).await {
        Ok(message) => answer.unary(Asked { headers, message, arrived }).await,
        Err(NoMessage::Gone) => return Err(Gone),
        Err(NoMessage::Refused(status)) => Err(status),
        Err(NoMessage::Shed(why)) => Err(answer.shed(why)),
    };
    match answered {
        Ok(message) => send_message(respond, message.into()).await,
        Err(status) => send_status(respond, &status),
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(GRPC.as_bytes()))
}

fn refuse(mut respond: SendResponse<Frame>, response: http::response::Builder) -> Result<(), Gone> {
    let response = response.body(()).map_err(|_| Gone)?;
    respond.send_response(response, true)?;
    Ok(())
}

/// The one message of a request. Mostly it comes in one piece, and is then not copied.
async fn read(mut body: RecvStream, max_message: usize, place: &mut Place) -> Result<Bytes, NoMessage> {
    let refused = |status| Err(NoMessage::Refused(status));
    let mut whole = Bytes::new();
    let mut pieces = BytesMut::new();
    while let Some(piece) = poll_fn(|context| body.poll_data(context)).await {
        let piece = piece?;
        place.hold(piece.len()).map_err(NoMessage::Shed)?;
        body.flow_control().release_capacity(piece.len())?;
        if whole.is_empty() && pieces.is_empty() {
            whole = piece;
        } else {
            pieces.extend_from_slice(&std::mem::take(&mut whole));
            pieces.extend_from_slice(&piece);
        }
        let read = if pieces.is_empty() { &whole[..] } else { &pieces[..] };
        let Some((prefix, message)) = read.split_first_chunk::<PREFIX>() else { continue };
        let [compressed, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if compressed != 0 {
            return refused(Status::internal("the message is compressed, which was not agreed on"));
        }
        if length > max_message {
            return refused(Status::out_of_range(format!("a message has at most {max_message} bytes here")));
        }
        if message.len() > length {
            return refused(Status::internal("there is more than one message"));
        }
    }
    let mut read = if pieces.is_empty() { whole } else { pieces.freeze() };
    let length = read.first_chunk::<PREFIX>().map(|[_, length @ ..]| u32::from_be_bytes(*length) as usize);
    if length.is_none_or(|length| read.len() != PREFIX + length) {
        return refused(Status::internal("the message is cut off"));
    }
    read.advance(PREFIX);
    Ok(read)
}

async fn send_message(mut respond: SendResponse<Frame>, message: Bytes) -> Result<(), Gone> {
    let frame = Frame::message(message).ok_or(Gone)?;
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    let mut stream = respond.send_response(response, false)?;
    send(&mut stream, frame).await?;
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
    stream.send_trailers(trailers)?;
    Ok(())
}

/// Answers with a status alone ("Trailers-Only").
pub(super) fn send_status(mut respond: SendResponse<Frame>, status: &Status) -> Result<(), Gone> {
    let mut response = Response::new(());
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    status.add_header(response.headers_mut()).map_err(|_| Gone)?;
    respond.send_response(response, true)?;
    Ok(())
}

/// Hands over what the client takes, as it takes it.
async fn send(stream: &mut SendStream<Frame>, mut frame: Frame) -> Result<(), Gone> {
    let length = frame.remaining();
    stream.reserve_capacity(length);
    if stream.capacity() >= length {
        stream.send_data(frame, false)?;
        return Ok(());
    }
    let mut left = frame.copy_to_bytes(length);
    while !left.is_empty() {
        stream.reserve_capacity(left.len());
        let capacity = poll_fn(|context| stream.poll_capacity(context)).await.ok_or(Gone)??;
        stream.send_data(Frame::plain(left.split_to(capacity.min(left.len()))), false)?;
    }
    Ok(())
}

/// Answers anything else.
pub(super) async fn other<A: Answer>(
    answer: &A,
    request: Request<RecvStream>,
    mut respond: SendResponse<Frame>,
) -> Result<(), Gone> {
    if request.method() != Method::POST || !is_grpc(request.headers()) {
        return refuse(respond, Response::builder().status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let (head, body) = answer.other(request.map(Incoming::new)).await.into_parts();
    let ends = body.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(head, ()), ends)?;
    if ends {
        return Ok(());
    }
    let mut body = std::pin::pin!(body);
    loop {
        // A client that goes away ends an answer that would go on for ever.
        let next = poll_fn(|context| match stream.poll_reset(context) {
            std::task::Poll::Ready(_) => std::task::Poll::Ready(Err(Gone)),
            std::task::Poll::Pending => body.as_mut().poll_frame(context).map(Ok),
        });
        let Some(part) = next.await? else { break };
        let Ok(part) = part else {
            stream.send_reset(Reason::INTERNAL_ERROR);
            return Err(Gone);
        };
        match part.into_data() {
            Ok(data) => send(&mut stream, Frame::plain(data)).await?,
            Err(part) => {
                if let Ok(trailers) = part.into_trailers() {
                    stream.send_trailers(trailers)?;
                    return Ok(());
                }
            }
        }
    }
    stream.send_data(Frame::plain(Bytes::new()), true)?;
    Ok(())
}
