use std::marker::PhantomData;

use bytes::Buf;
use prost::Message;
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::peer::v1 as pb;
use crate::{Malformed, parts};

/// What peers send: counted, then decoded.
pub(crate) struct PeerCodec<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for PeerCodec<E, D> {
    fn default() -> Self {
        PeerCodec(PhantomData)
    }
}

impl<E, D> Codec for PeerCodec<E, D>
where
    E: Message + 'static,
    D: Counted + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = ProstEncoder<E>;
    type Decoder = Counting<D>;

    fn encoder(&mut self) -> ProstEncoder<E> {
        ProstCodec::<E, D>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Counting<D> {
        Counting(ProstCodec::<E, D>::raw_decoder(BufferSettings::default()))
    }
}

pub(crate) struct Counting<D>(ProstDecoder<D>);

impl<D: Counted> Decoder for Counting<D> {
    type Item = D;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        // A message has come as a whole, in one piece.
        D::count(bytes.chunk()).map_err(|malformed| Status::invalid_argument(malformed.to_string()))?;
        self.0.decode(bytes)
    }

    fn buffer_settings(&self) -> BufferSettings {
        self.0.buffer_settings()
    }
}

/// A message whose encoded parts are counted before it is decoded.
pub(crate) trait Counted: Message + Default {
    fn count(bytes: &[u8]) -> Result<(), Malformed>;
}

impl Counted for pb::AppendFrame {
    fn count(bytes: &[u8]) -> Result<(), Malformed> {
        parts::of_append_frame(bytes)
    }
}

impl Counted for pb::ForwardFrame {
    fn count(bytes: &[u8]) -> Result<(), Malformed> {
        parts::of_forward_frame(bytes)
    }
}

impl Counted for pb::SnapshotFrame {
    fn count(bytes: &[u8]) -> Result<(), Malformed> {
        parts::of_snapshot_frame(bytes)
    }
}

/// Their length is bounded where they are taken, by far less.
macro_rules! short {
    ($($message:ident)*) => {
        $(impl Counted for pb::$message {
            fn count(_: &[u8]) -> Result<(), Malformed> {
                Ok(())
            }
        })*
    };
}

short! {
    AppendResult ForwardResult SnapshotResponse
    VoteRequest VoteResponse TransferLeaderRequest TransferLeaderResponse
    ReadIndexRequest ReadIndexResponse CurrentVoteRequest CurrentVoteResponse
    DiscoverRequest DiscoverResponse JoinRequest JoinResponse OrderRequest OrderResponse DrainRequest DrainResponse
}
