// uWebSockets as an echo server, without TLS and compression. It is no package that could be depended upon:
//
//     git clone --recurse-submodules --depth 1 --shallow-submodules https://github.com/uNetworking/uWebSockets
//     ./uws-build uWebSockets uws        # this file, to the program `uws`
//     cargo run --release -- --with uWebSockets=./uws

#include <iostream>

#include "App.h"

int main() {
    struct Nothing {};
    uWS::App()
        .ws<Nothing>("/*", {
            .maxPayloadLength = 16 * 1024 * 1024,
            .maxBackpressure = 16 * 1024 * 1024,
            .message = [](auto *ws, std::string_view message, uWS::OpCode opCode) { ws->send(message, opCode); },
        })
        .listen("127.0.0.1", 0, LIBUS_LISTEN_EXCLUSIVE_PORT, [](auto *listener) {
            if (listener) {
                auto port = us_socket_local_port(0, reinterpret_cast<us_socket_t *>(listener));
                std::cout << "127.0.0.1:" << port << std::endl;
            }
        })
        .run();
}
