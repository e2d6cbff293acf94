package sync

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// A pkt-line is a length of four hexadecimal digits, itself included, and
// content (gitprotocol-common(5)).
const maxPacket = 65520

// packetKind tells content from the three packets that are a length alone.
type packetKind int

const (
	packetData      packetKind = iota
	packetFlush                // 0000: end of a message
	packetDelimiter            // 0001: end of a section
	packetEnd                  // 0002: end of a stateless response
)

var errBadPacket = errors.New("malformed pkt-line")

// readPacket reads one packet. io.EOF means that there is none; a packet that is
// cut off is io.ErrUnexpectedEOF.
func readPacket(r io.Reader) (packetKind, []byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	size := 0
	for _, c := range head {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 || c < '0' {
			return 0, nil, errBadPacket
		}
		size = size<<4 | digit
	}
	switch {
	case size <= 2:
		return []packetKind{packetFlush, packetDelimiter, packetEnd}[size], nil, nil
	case size < 4 || size > maxPacket:
		return 0, nil, errBadPacket
	}
	data := make([]byte, size-4)
	if _, err := io.ReadFull(r, data); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, fmt.Errorf("read pkt-line: %w", err)
	}
	return packetData, data, nil
}

// appendPacket appends one packet; content is at most maxPacket-4 bytes.
func appendPacket(b []byte, content string) []byte {
	b = fmt.Appendf(b, "%04x", len(content)+4)
	return append(b, content...)
}

func appendFlush(b []byte) []byte     { return append(b, "0000"...) }
func appendDelimiter(b []byte) []byte { return append(b, "0001"...) }

// The bands of a multiplexed response (gitprotocol-pack(5)).
const (
	bandData     = 1
	bandProgress = 2
	bandError    = 3
)

// bandReader gives the data band of a multiplexed stream up to its flush packet.
// It hands what the server says to progress.
type bandReader struct {
	in       io.Reader
	progress func(text []byte)
	left     []byte
	err      error
}

func (b *bandReader) Read(p []byte) (int, error) {
	for len(b.left) == 0 && b.err == nil {
		b.left, b.err = b.next()
	}
	n := copy(p, b.left)
	b.left = b.left[n:]
	if n > 0 {
		return n, nil
	}
	return 0, b.err
}

func (b *bandReader) next() ([]byte, error) {
	kind, data, err := readPacket(b.in)
	switch {
	case errors.Is(err, io.EOF):
		return nil, io.ErrUnexpectedEOF // only a flush packet ends the stream
	case err != nil:
		return nil, err
	case kind != packetData:
		return nil, io.EOF
	case len(data) == 0:
		return nil, errBadPacket
	}
	switch data[0] {
	case bandData:
		return data[1:], nil
	case bandProgress:
		b.progress(data[1:])
		return nil, nil
	case bandError:
		return nil, fmt.Errorf("server reports: %s", clip(strings.TrimSpace(string(data[1:]))))
	}
	return nil, errBadPacket
}
