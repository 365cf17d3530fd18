//! The real program, built so that it can be told to end at a point; the tests start and kill it.

fn main() -> std::process::ExitCode {
    jangteo::commands::main()
}
