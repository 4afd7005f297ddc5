//! Complete small programs that run `sockless`, each in `examples`.
