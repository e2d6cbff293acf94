package sync

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// packLimits bounds what reading a pack may cost.
type packLimits struct {
	packBytes   int64 // the pack as it is sent
	objects     int
	objectBytes int64 // one object, inflated
	totalBytes  int64 // all objects and deltas, inflated
	deltaDepth  int
}

// The kinds of pack entries that are deltas.
const (
	entryOffsetDelta = 6
	entryRefDelta    = 7
)

// pack holds the objects of one pack by name.
type pack map[objectID]object

func (p pack) object(id objectID, kind objectKind, most int64) ([]byte, error) {
	o, ok := p[id]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s %s is not in the pack", kind, id)
	case o.kind != kind:
		return nil, fmt.Errorf("object %s is a %s, not a %s", id, o.kind, kind)
	case int64(len(o.data)) > most:
		return nil, fmt.Errorf("%s %s has %d bytes; at most %d are allowed", kind, id, len(o.data), most)
	}
	return o.data, nil
}

// readPack reads a whole pack from r, which ends with it. What each entry declares is held against
// the limits before any of it is inflated, and inflating stops at the declared
// size. Deltas must have their base in the same pack.
func readPack(r io.Reader, limits packLimits) (pack, error) {
	s := &packScanner{sum: sha1.New(), limits: limits}
	s.in = bufio.NewReader(io.LimitReader(r, limits.packBytes+1))
	count, err := s.header()
	if err != nil {
		return nil, fmt.Errorf("read pack: %w", err)
	}
	b := newPackBuilder(limits)
	for i := range count {
		offset := s.offset
		entry, err := s.entry(&b.total)
		if err == nil {
			err = b.add(offset, entry)
		}
		if err != nil {
			return nil, fmt.Errorf("read pack: entry %d of %d: %w", i+1, count, s.explain(err))
		}
	}
	if err := s.trailer(); err != nil {
		return nil, fmt.Errorf("read pack: %w", s.explain(err))
	}
	return b.finish()
}

// packEntry is one entry of a pack, inflated.
type packEntry struct {
	kind       objectKind // or a kind of delta
	baseOffset int64      // of an offset delta
	baseID     objectID   // of a ref delta
	data       []byte
}

// packScanner reads bytes, sums them and counts them. It is an io.ByteReader so
// that inflating takes no byte of the next entry.
type packScanner struct {
	in     *bufio.Reader
	sum    hash.Hash
	offset int64
	one    [1]byte
	limits packLimits
}

func (s *packScanner) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.sum.Write(p[:n])
	s.offset += int64(n)
	return n, err
}

func (s *packScanner) ReadByte() (byte, error) {
	c, err := s.in.ReadByte()
	if err != nil {
		return 0, err
	}
	s.one[0] = c
	s.sum.Write(s.one[:])
	s.offset++
	return c, nil
}

// explain says why the input ended.
func (s *packScanner) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if s.offset > s.limits.packBytes {
		return fmt.Errorf("pack is larger than %d bytes", s.limits.packBytes)
	}
	return fmt.Errorf("pack is cut off: %w", io.ErrUnexpectedEOF)
}

func (s *packScanner) header() (uint32, error) {
	var head [12]byte
	if _, err := io.ReadFull(s, head[:]); err != nil {
		return 0, s.explain(err)
	}
	if string(head[:4]) != packSignature || binary.BigEndian.Uint32(head[4:]) != 2 {
		return 0, errors.New("not a pack of version 2")
	}
	count := binary.BigEndian.Uint32(head[8:])
	if int64(count) > int64(s.limits.objects) {
		return 0, fmt.Errorf("pack has %d objects; at most %d are allowed", count, s.limits.objects)
	}
	return count, nil
}

func (s *packScanner) trailer() error {
	want := s.sum.Sum(nil)
	var got [sha1.Size]byte
	if _, err := io.ReadFull(s.in, got[:]); err != nil {
		return err
	}
	if !bytes.Equal(want, got[:]) {
		return errors.New("pack does not match its checksum")
	}
	if s.offset+sha1.Size > s.limits.packBytes {
		return fmt.Errorf("pack is larger than %d bytes", s.limits.packBytes)
	}
	switch _, err := s.in.ReadByte(); {
	case err == nil:
		return errors.New("input goes on after the pack")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// entry reads one entry and adds its size to total.
func (s *packScanner) entry(total *int64) (*packEntry, error) {
	start := s.offset
	kind, size, err := s.entryHeader()
	if err != nil {
		return nil, err
	}
	if size > uint64(s.limits.objectBytes) {
		return nil, fmt.Errorf("object of %d bytes; at most %d are allowed", size, s.limits.objectBytes)
	}
	if *total += int64(size); *total > s.limits.totalBytes {
		return nil, fmt.Errorf("objects are larger than %d bytes in all", s.limits.totalBytes)
	}
	e := &packEntry{kind: kind}
	switch kind {
	case kindCommit, kindTree, kindBlob, kindTag:
	case entryOffsetDelta:
		distance, err := s.baseDistance()
		if err != nil {
			return nil, err
		}
		e.baseOffset = start - distance
	case entryRefDelta:
		if _, err := io.ReadFull(s, e.baseID[:]); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("unknown kind %d", kind)
	}
	e.data, err = s.inflate(int64(size))
	return e, err
}

func (s *packScanner) entryHeader() (objectKind, uint64, error) {
	c, err := s.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	kind, size := objectKind(c>>4&7), uint64(c&0x0f)
	for shift := 4; c&0x80 != 0; shift += 7 {
		if c, err = s.ReadByte(); err != nil {
			return 0, 0, err
		}
		if shift > 56 {
			return 0, 0, errors.New("size of an object overflows")
		}
		size |= uint64(c&0x7f) << shift
	}
	return kind, size, nil
}

// baseDistance reads how far before an entry its delta base starts.
func (s *packScanner) baseDistance() (int64, error) {
	c, err := s.ReadByte()
	distance := int64(c & 0x7f)
	for err == nil && c&0x80 != 0 {
		if distance > 1<<48 {
			return 0, errors.New("offset of a delta base overflows")
		}
		c, err = s.ReadByte()
		distance = (distance+1)<<7 | int64(c&0x7f)
	}
	return distance, err
}

// inflate reads exactly size bytes of inflated content. The buffer grows with
// what really arrives, so that a lie about the size costs nothing.
func (s *packScanner) inflate(size int64) ([]byte, error) {
	z, err := zlib.NewReader(s)
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	content.Grow(int(min(size, 64<<10)))
	n, err := io.Copy(&content, io.LimitReader(z, size+1))
	if err != nil {
		return nil, err
	}
	if n != size {
		return nil, errors.New("content does not have the size that was declared")
	}
	// Reading to the end made zlib check its own checksum.
	return content.Bytes(), z.Close()
}
