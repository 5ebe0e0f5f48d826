//! The `encke` command. Everything it does is in `command/`.

fn main() -> std::process::ExitCode {
    encke::command::main()
}
