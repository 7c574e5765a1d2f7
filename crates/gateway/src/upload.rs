//! The request on its way to the upstream, which may take longer than the answer takes to begin.

use std::task::{Context, Poll};

use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::problem::{self, Problem};
use crate::pump::{Pump, PumpError};

/// The request on its way to the upstream.
pub(crate) struct Upload {
    pub(crate) pump: Pump,
    pub(crate) state: UploadState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UploadState {
    Running,
    Done,
    /// The upstream does not take any more.
    Broken,
}

/// Why a request cannot be sent to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UploadError {
    ClientGone,
    Refused(Problem),
}

// === impl Upload ===

impl Upload {
    pub(crate) fn new(pump: Pump) -> Self {
        Self { pump, state: UploadState::Running }
    }

    /// Moves the request on; afterwards, or when the upstream takes no more, watches whether the client leaves.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        connection: &mut Connection,
        upstream: &mut TcpStream,
    ) -> Result<(), UploadError> {
        if self.state == UploadState::Running {
            let mut reader = connection.stream.split().0;
            let mut writer = upstream.split().1;
            match self.pump.poll(context, &mut reader, &mut connection.buffer, &mut writer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(())) => self.state = UploadState::Done,
                // It may have answered before it closed.
                Poll::Ready(Err(PumpError::Sink)) => self.state = UploadState::Broken,
                Poll::Ready(Err(PumpError::Source)) => return Err(UploadError::ClientGone),
                Poll::Ready(Err(PumpError::Malformed)) => {
                    return Err(UploadError::Refused(problem::BAD_BODY));
                }
                Poll::Ready(Err(PumpError::TooLarge)) => {
                    return Err(UploadError::Refused(problem::BODY_TOO_LARGE));
                }
            }
        }
        if connection.poll_gone(context).is_ready() { Err(UploadError::ClientGone) } else { Ok(()) }
    }
}
