#!/usr/bin/env python3
"""A bad network between an RTSP client and a camera: loses, delays and reorders RTP over UDP.

    lossy_link.py --camera HOST:PORT [--loss 0.05] [--jitter-ms 50] [--seed N]

It stands where the camera would be: RTSP is passed on, with the UDP ports of each SETUP exchanged for
ports of its own, and every datagram goes through it. RTP from the camera waits up to --jitter-ms, drawn
for each packet, so that packets overtake each other; while loss is switched on, each is lost with the
probability --loss, drawn from --seed. RTCP and RTSP pass unharmed.

Standard output has "listening on rtsp://HOST:PORT/", and one JSON line for each line of standard
input. "loss on" and "loss off" switch; every line is answered with the counts so far: packets `passed`
and `dropped`, and how many of the passed came out `overtaken` by a later one. The end of standard input
ends it.
"""

import argparse
import asyncio
import json
import random
import re
import sys

LOOPBACK = "127.0.0.1"
MAX_HEAD = 64 << 10


class Faults:
    """What the link does to RTP, and the count of it."""

    def __init__(self, loss, jitter_s, seed):
        self.loss = loss
        self.jitter_s = jitter_s
        self.random = random.Random(seed)
        self.lossy = False
        self.counts = {"passed": 0, "dropped": 0, "overtaken": 0}

    def relay(self, packet, highest, send):
        """Sends `packet` later or never. `highest` is the stream's own [last sequence number sent]."""
        if self.lossy and self.random.random() < self.loss:
            self.counts["dropped"] += 1
            return
        asyncio.get_running_loop().call_later(self.random.uniform(0, self.jitter_s), self.pass_on,
                                              packet, highest, send)

    def pass_on(self, packet, highest, send):
        sequence = int.from_bytes(packet[2:4], "big")
        if highest and (sequence - highest[0]) % 65536 > 32768:
            self.counts["overtaken"] += 1
        else:
            highest[:] = [sequence]
        self.counts["passed"] += 1
        send(packet)


class Port(asyncio.DatagramProtocol):
    """One UDP socket, which hands what comes to `take`."""

    def __init__(self):
        self.take = lambda packet: None
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, packet, _):
        self.take(packet)

    def number(self):
        return self.transport.get_extra_info("sockname")[1]

    @staticmethod
    async def open():
        _, port = await asyncio.get_running_loop().create_datagram_endpoint(
            Port, local_addr=(LOOPBACK, 0))
        return port


class Track:
    """The relay of one SETUP: RTP and RTCP, a pair towards the client and one towards the camera."""

    def __init__(self, faults, client_ports):
        self.faults = faults
        self.client_ports = client_ports
        self.camera_ports = None
        self.to_client = []
        self.to_camera = []
        self.highest = []

    async def open(self):
        for i in range(2):
            client, camera = await Port.open(), await Port.open()
            self.to_client.append(client)
            self.to_camera.append(camera)
            client.take = lambda packet, i=i: self.forward(i, packet)
            camera.take = lambda packet, i=i: self.backward(i, packet)

    def forward(self, i, packet):
        if self.camera_ports:
            self.to_camera[i].transport.sendto(packet, (LOOPBACK, self.camera_ports[i]))

    def backward(self, i, packet):
        def send(data):
            if not self.to_client[i].transport.is_closing():
                self.to_client[i].transport.sendto(data, (LOOPBACK, self.client_ports[i]))
        if i == 0:
            self.faults.relay(packet, self.highest, send)
        else:
            send(packet)

    def close(self):
        for port in self.to_client + self.to_camera:
            port.transport.close()


def ports_of(name, head):
    match = re.search(name + r"=(\d+)-(\d+)", head)
    return [int(match.group(1)), int(match.group(2))] if match else None


def exchange(name, ports, head):
    return re.sub(name + r"=\d+-\d+", f"{name}={ports[0]}-{ports[1]}", head)


class Link:
    """One client's connection and the camera's behind it."""

    def __init__(self, faults):
        self.faults = faults
        self.tracks = {}  # By the CSeq of their SETUP.

    async def ask(self, head):
        """What a request becomes on its way to the camera."""
        client_ports = ports_of("client_port", head)
        if not head.startswith("SETUP ") or not client_ports:
            return head
        track = Track(self.faults, client_ports)
        await track.open()
        self.tracks[re.search(r"CSeq: *(\d+)", head, re.I).group(1)] = track
        return exchange("client_port", [port.number() for port in track.to_camera], head)

    async def answer(self, head):
        """What a response becomes on its way back."""
        cseq = re.search(r"CSeq: *(\d+)", head, re.I)
        track = self.tracks.get(cseq.group(1)) if cseq else None
        if not track or not ports_of("server_port", head):
            return head
        track.camera_ports = ports_of("server_port", head)
        head = exchange("server_port", [port.number() for port in track.to_client], head)
        return exchange("client_port", track.client_ports, head)

    @staticmethod
    async def pump(reader, writer, change):
        """Copies messages, each head changed, each body and interleaved frame as it is."""
        try:
            while True:
                first = await reader.readexactly(1)
                if first == b"$":
                    head = await reader.readexactly(3)
                    writer.write(first + head
                                 + await reader.readexactly(int.from_bytes(head[1:], "big")))
                    continue
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                length = re.search(r"Content-Length: *(\d+)", head, re.I)
                body = await reader.readexactly(int(length.group(1))) if length else b""
                writer.write((await change(head)).encode("latin-1") + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def serve(self, reader, writer, camera):
        try:
            camera_reader, camera_writer = await asyncio.open_connection(*camera, limit=MAX_HEAD)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self.pump(reader, camera_writer, self.ask),
                             self.pump(camera_reader, writer, self.answer))
        for track in self.tracks.values():
            track.close()


async def run(options):
    faults = Faults(options.loss, options.jitter_ms / 1000, options.seed)
    host, port = options.camera.rsplit(":", 1)

    async def on_client(reader, writer):
        await Link(faults).serve(reader, writer, (host, int(port)))

    server = await asyncio.start_server(on_client, LOOPBACK, 0, limit=MAX_HEAD)
    print(f"listening on rtsp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/", flush=True)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := (await commands.readline()).decode():
        if line.startswith("loss "):
            faults.lossy = line.strip() == "loss on"
        print(json.dumps(faults.counts), flush=True)
    server.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camera", required=True, metavar="HOST:PORT")
    parser.add_argument("--loss", type=float, default=0.05)
    parser.add_argument("--jitter-ms", type=float, default=50)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
