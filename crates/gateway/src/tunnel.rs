//! After a 101: bytes both ways until both sides have closed, one breaks, or nothing has moved for the idle time.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite as _;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::Instant;

use crate::attempt::Answer;
use crate::buffer::Buffer;
use crate::connection::Connection;
use crate::pump::Pump;
use crate::request::Framing;
use crate::worker::Snapshot;

/// One direction.
struct Lane {
    pump: Pump,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Moving,
    /// The source has ended; its end is passed on.
    Ending,
    Ended,
}

/// Sends the 101 and tunnels. The lease of the upstream is held by the caller for as long.
pub(crate) async fn run(connection: &mut Connection, snapshot: &Snapshot, answer: Answer) {
    let Answer { head, mut stream, mut buffer, .. } = answer;
    let mut up = Lane::new(Vec::new());
    let mut down = Lane::new(head);
    let idle = snapshot.timeouts.idle;
    let mut deadline = Instant::now() + idle;
    let end = poll_fn(|context| {
        let (mut from_client, mut to_client) = connection.stream.split();
        let (mut from_upstream, mut to_upstream) = stream.split();
        let up_result = up.poll(context, &mut from_client, &mut connection.buffer, &mut to_upstream);
        let down_result = down.poll(context, &mut from_upstream, &mut buffer, &mut to_client);
        match (up_result, down_result) {
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(()),
            (Poll::Ready(Err(Broken)), _) | (_, Poll::Ready(Err(Broken))) => return Poll::Ready(()),
            _ => {}
        }
        if up.pump.take_moved() | down.pump.take_moved() {
            deadline = Instant::now() + idle;
        }
        connection.timer.poll(context, deadline)
    });
    end.await;
    connection.worker.buffers.give_back(buffer);
}

struct Broken;

// === impl Lane ===

impl Lane {
    fn new(head: Vec<u8>) -> Self {
        let pump = Pump::new(head, Framing::UntilClose, Framing::UntilClose, u64::MAX);
        Self { pump, state: State::Moving }
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut ReadHalf<'_>,
        buffer: &mut Buffer,
        writer: &mut WriteHalf<'_>,
    ) -> Poll<Result<(), Broken>> {
        if self.state == State::Moving {
            ready!(self.pump.poll(context, reader, buffer, writer)).map_err(|_| Broken)?;
            self.state = State::Ending;
        }
        if self.state == State::Ending {
            ready!(Pin::new(writer).poll_shutdown(context)).map_err(|_| Broken)?;
            self.state = State::Ended;
        }
        Poll::Ready(Ok(()))
    }
}
