//! The `plimsoll-kafka` program.

fn main() -> std::process::ExitCode {
    plimsoll_kafka::program::main()
}
