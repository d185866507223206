"""Every codec over every transport, from a camera's socket to a clip: recorded, complete, decoded, and byte for byte
what was sent.
"""

import collections
import hashlib
import itertools
import json
import os
import struct
import subprocess
import unittest

from harness import STREET_BFRAMES, US, Process, Site, decode_errors, program, sei, wait_for

SECONDS = 5
# transport -> options of the simulator, and of `lookback camera add`.
TRANSPORTS = {
    "tcp": ([], ["--transport", "tcp"]),
    "udp": ([], ["--transport", "udp"]),
    "tls": (["--tls"], ["--tls", "insecure"]),
}

# `leading`: the most pictures that a run leaves out behind an open start.
Kind = collections.namedtuple("Kind", "footage audio options names leading")
KINDS = {
    "h264": Kind(STREET_BFRAMES, "aac", [], ("h264", "aac"), 0),
    "h265": Kind("h265.mp4", "opus", [], ("hevc", "opus"), 0),
    "h265-open": Kind("h265-open.mp4", "pcma", [], ("hevc", "pcm_alaw"), 3),
    "h265-sdp": Kind("h265.mp4", "pcmu", ["--config-interval", "0"], ("hevc", "pcm_mulaw"), 0),
    "mjpeg": Kind("mjpeg.mp4", "g726", [], ("mjpeg", "adpcm_g726"), 0),
}
# How the footage that is not in the tree is made of that which is.
X265 = "-c:v libx265 -preset ultrafast -tag:v hvc1 -x265-params log-level=none:scenecut=0:b-adapt=0:"
ENCODERS = {
    "h265.mp4": X265 + "keyint=25:min-keyint=25:bframes=2:open-gop=0",
    # Each fourth picture is no B picture, so that three are in front of each sync sample.
    "h265-open.mp4": X265 + "keyint=28:min-keyint=28:bframes=3:open-gop=1",
    "mjpeg.mp4": "-c:v mjpeg -q:v 8 -huffman default -pix_fmt yuvj420p",
}


def encode(options, path):
    subprocess.run(["ffmpeg", "-v", "error", "-t", "4", "-i", STREET_BFRAMES, "-an", *options.split(), path],
                   check=True, timeout=120)


def packets(path, stream):
    """The bytes of a file's samples in their order, where ffprobe finds them."""
    listed = subprocess.run(
        ["ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pos,size", "-of", "json",
         path], capture_output=True, text=True, check=True, timeout=120)
    with open(path, "rb") as file:
        content = file.read()
    return [content[int(one["pos"]):int(one["pos"]) + int(one["size"])]
            for one in json.loads(listed.stdout)["packets"]]


def without_h265_sets(sample):
    """The sample without its VPS, SPS and PPS, and how many there were."""
    kept, sets, at = b"", 0, 0
    while at < len(sample):
        (length,) = struct.unpack_from(">I", sample, at)
        nal = sample[at:at + 4 + length]
        if nal[4] >> 1 & 63 in (32, 33, 34):
            sets += 1
        else:
            kept += nal
        at += len(nal)
    return kept, sets


def behind_start_of_scan(picture):
    """What RTP carries of a JPEG picture."""
    at = picture.index(b"\xff\xda")
    return picture[at + 2 + struct.unpack_from(">H", picture, at + 2)[0]:]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def picture_hashes(path):
    listed = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", path, "-map", "0:v", "-fps_mode", "passthrough", "-f", "framehash",
         "-hash", "sha256", "-"],
        capture_output=True, text=True, check=True, timeout=120).stdout
    return {line.rsplit(",", 1)[1].strip() for line in listed.splitlines() if not line.startswith("#")}


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.__exit__, None, None, None)
        for name, options in ENCODERS.items():
            encode(options, cls.site.path(name))
        cls.site.start_recorder()
        cls.cells = {f"{name}-{transport}": (kind, transport)
                     for (name, kind), transport in itertools.product(KINDS.items(), TRANSPORTS)}
        for cell, (kind, transport) in cls.cells.items():
            cls.start_camera(cell, kind, *TRANSPORTS[transport])
        spans = {cell: cls.site.await_span(cell + "1", SECONDS, limit_s=90) for cell in cls.cells}
        cls.carried_by = {cell: cls.site.status(cell + "1")["transport"] for cell in cls.cells}
        cls.clips = {}
        for cell, (start, end) in spans.items():
            cls.clips[cell], report = cls.site.clip(cell + "1", start, end, name=cell + ".mp4")
            assert report["missing_us"] == 0, (cell, report)

        # Read at the end: what is in a clip is in the log by then, which trails by 100 ms.
        last = {cell: max(mark["frame"] for mark in sei(clip, "--packets")) for cell, clip in cls.clips.items()}
        wait_for("the simulator's log", lambda: all(
            cls.site.frames_sent().get(cell + "1", [{"frame": 0}])[-1]["frame"] >= frame
            for cell, frame in last.items()))
        cls.sent = cls.site.frames_sent()

    @classmethod
    def start_camera(cls, cell, kind, sim_options, add_options):
        footage = kind.footage if os.path.isabs(kind.footage) else cls.site.path(kind.footage)
        camera = Process(
            cell, [program("camera_sim"), "--count", "1", "--prefix", cell, "--port", "0", "--footage", footage,
                   "--audio", kind.audio, "--log", cls.site.frame_log, "--log-hashes", *kind.options, *sim_options],
            cls.site.directory)
        cls.addClassCleanup(camera.stop)
        url = camera.await_line(rf"(?m)^rtsps?://\S+/{cell}1$").group(0)
        cls.site.run("camera", "add", cell + "1", url, "--audio", *add_options)

    def each(self, check):
        for cell, (kind, _transport) in self.cells.items():
            with self.subTest(cell):
                check(cell, kind, self.clips[cell])

    def test_each_came_by_the_transport_that_was_asked(self):
        self.assertEqual(self.carried_by, {cell: transport for cell, (_kind, transport) in self.cells.items()})

    def test_clips_decode_without_a_word_and_name_their_codecs(self):
        def check(_name, kind, clip):
            self.assertEqual(decode_errors(clip), "")
            names = subprocess.run(
                ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", clip],
                capture_output=True, text=True, check=True, timeout=60).stdout.split()
            self.assertEqual(tuple(names), kind.names)

        self.each(check)

    def test_every_frame_that_was_sent_stands_once(self):
        def check(name, kind, clip):
            frames = [mark["frame"] for mark in sei(clip, "--packets")]
            self.assertEqual(len(frames), len(set(frames)))
            sent = {entry["frame"] for entry in self.sent[name + "1"] if frames[0] <= entry["frame"] <= max(frames)}
            missing = sent - set(frames)
            self.assertEqual(set(frames) - sent, set())
            self.assertTrue(missing <= set(range(frames[0] + 1, frames[0] + 1 + kind.leading)), missing)
            self.assertGreater(len(frames), SECONDS * 20)

        self.each(check)

    def test_samples_are_the_bytes_that_were_sent(self):
        def check(name, _kind, clip):
            sent = {entry["frame"]: entry for entry in self.sent[name + "1"]}
            samples = packets(clip, "v:0")
            marks = sei(clip, "--packets")
            self.assertEqual(len(samples), len(marks))
            for sample, mark in zip(samples, marks):
                entry = sent[mark["frame"]]
                if name.startswith("mjpeg"):
                    sample = behind_start_of_scan(sample)
                elif name.startswith("h265-sdp"):
                    # The camera sends no sets in band: the recorder puts them into each sync sample.
                    sample, sets = without_h265_sets(sample)
                    self.assertEqual(sets, 3 if entry["sync"] else 0)
                self.assertEqual(sha256(sample), entry["sha256"], f"frame {mark['frame']}")

        self.each(check)

    def test_sound_is_the_bytes_that_were_sent_in_their_order(self):
        sounds = collections.defaultdict(list)
        with open(self.site.frame_log, encoding="utf-8") as file:
            for line in file.read().splitlines():
                if '"sound"' in line and line.endswith("}"):
                    entry = json.loads(line)
                    if entry["sent"] > 0:
                        sounds[entry["camera"]].append(entry["sha256"])
        def check(name, _kind, clip):
            recorded = [sha256(packet) for packet in packets(clip, "a:0")]
            sent = sounds[name + "1"]
            self.assertGreater(len(recorded), SECONDS * 10)
            self.assertTrue(
                any(sent[i:i + len(recorded)] == recorded for i in range(len(sent) - len(recorded) + 1)),
                f"{len(recorded)} pieces of sound are no run of the {len(sent)} that were sent")

        self.each(check)

    def test_pictures_of_jpeg_decode_to_what_was_encoded(self):
        # Their heads are written anew; the pixels tell whether they were right.
        encoded = picture_hashes(self.site.path("mjpeg.mp4"))
        for transport in TRANSPORTS:
            self.assertLessEqual(picture_hashes(self.clips["mjpeg-" + transport]), encoded)

    def test_sync_samples_alone_share_fragments(self):
        file = self.site.segment_files("mjpeg-udp1")[0]
        with open(file, "rb") as segment:
            fragments = segment.read().count(b"prft")
        # The footage has 50 to 60 kB a picture: a megabyte is full before two seconds are.
        self.assertLess(fragments * 10, len(sei(file, "--packets")))

    def test_a_clip_from_an_open_gop_leaves_its_leading_pictures_out(self):
        whole = sei(self.clips["h265-open-tcp"], "--packets")
        # The footage has 100 pictures, of which the first alone has none in front of it.
        key = next(mark for mark in whole[1:] if mark["key"] and mark["frame"] % 100 != 1)
        asked = key["capture_us"] + 300_000
        clip, _ = self.site.clip("h265-open-tcp1", asked, asked + US, name="open.mp4")
        self.assertEqual(decode_errors(clip), "")
        marks = sei(clip, "--packets")
        self.assertTrue(marks[0]["key"])
        self.assertTrue(all(mark["pts"] >= marks[0]["pts"] for mark in marks))
        self.assertEqual(set(range(marks[0]["frame"], marks[0]["frame"] + 4)) & {m["frame"] for m in marks},
                         {marks[0]["frame"]})


if __name__ == "__main__":
    unittest.main()
