// bench/noisy_footage.h: what the benchmarks record: 20 s of 720p H.264 at a constant 4 Mbit/s, 25
// pictures a second, a sync sample every 2 s. Noise makes it as large as it says.
#pragma once

namespace lookback::bench {

// Arguments of `ffmpeg`, between it and the output file.
inline constexpr const char* kNoisyFootage =
    "-f lavfi -i testsrc2=size=1280x720:rate=25:duration=20 -vf noise=alls=12:allf=t "
    "-pix_fmt yuv420p -c:v libx264 -preset ultrafast -b:v 4M -minrate 4M -maxrate 4M "
    "-bufsize 4M -g 50 -keyint_min 50 -sc_threshold 0 -bf 0 -x264-params nal-hrd=cbr";

}  // namespace lookback::bench
