package procpool

import (
	"bufio"
	"bytes"
	"io"
	"testing"

	"pgregory.net/rapid"
)

func TestFramesComeAsTheyWereSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var pipe bytes.Buffer
		var sent []frame
		for range rapid.IntRange(0, 4).Draw(t, "frames") {
			size := rapid.SampledFrom([]int{0, 1, 100, firstRead - 1, firstRead, firstRead + 1, 3*firstRead + 7}).Draw(t, "size")
			f := frame{kind: kind(rapid.IntRange(int(kindDo), int(kindPong)).Draw(t, "kind")), call: rapid.Uint32().Draw(t, "call"),
				payload: bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, size)}
			if err := writeFrame(&pipe, f); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, f)
		}
		whole := pipe.Bytes()
		cut := rapid.IntRange(0, len(whole)).Draw(t, "cut")
		r := bufio.NewReader(bytes.NewReader(whole[:cut]))
		var got []frame
		for {
			f, err := readFrame(r)
			if err != nil {
				ended := cut == 0 || len(got) > 0 && lengthOf(got) == cut
				if ended != (err == io.EOF) || !ended && err != io.ErrUnexpectedEOF {
					t.Fatalf("cut at %d of %d: %v", cut, len(whole), err)
				}
				break
			}
			got = append(got, f)
		}
		for i, f := range got {
			if s := sent[i]; f.kind != s.kind || f.call != s.call || !bytes.Equal(f.payload, s.payload) {
				t.Errorf("frame %d: kind %d, call %d, %d bytes; sent kind %d, call %d, %d bytes", i, f.kind, f.call, len(f.payload), s.kind, s.call, len(s.payload))
			}
		}
	})
}

func lengthOf(frames []frame) (n int) {
	for _, f := range frames {
		n += 4 + frameHead + len(f.payload)
	}
	return n
}

func FuzzFrame(f *testing.F) {
	f.Add(append(appendHead(nil, frame{kind: kindDo, call: 7, payload: []byte("abc")}), "abc"...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0})
	f.Add([]byte{0x1f, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0}) // says 512 MiB, and has none
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bufio.NewReader(bytes.NewReader(b))
		var again bytes.Buffer
		for {
			fr, err := readFrame(r)
			if err != nil {
				break
			}
			if err := writeFrame(&again, fr); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(b, again.Bytes()) {
			t.Errorf("%x was read as %x", b, again.Bytes())
		}
	})
}
