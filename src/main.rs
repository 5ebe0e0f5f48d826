//! The `encke` command. Everything it does is in `server/`.

fn main() -> std::process::ExitCode {
    encke::server::main()
}
