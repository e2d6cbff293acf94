package sync

import (
	"errors"
	"fmt"
)

// packBuilder turns entries into objects as soon as their delta base is known.
type packBuilder struct {
	limits   packLimits
	total    int64 // bytes inflated so far, entries and results of deltas
	objects  pack
	byOffset map[int64]objectID
	depth    map[objectID]int // of the chain of deltas that made an object
	waiting  []waitingDelta
}

type waitingDelta struct {
	offset int64
	entry  *packEntry
}

func newPackBuilder(limits packLimits) *packBuilder {
	return &packBuilder{limits: limits, objects: pack{}, byOffset: map[int64]objectID{}, depth: map[objectID]int{}}
}

func (b *packBuilder) add(offset int64, e *packEntry) error {
	switch e.kind {
	case entryOffsetDelta, entryRefDelta:
		// A base may stand behind its delta, or be a delta that waits itself.
		b.waiting = append(b.waiting, waitingDelta{offset, e})
		return nil
	}
	return b.put(offset, object{e.kind, e.data}, 0)
}

func (b *packBuilder) put(offset int64, o object, depth int) error {
	id, err := o.id()
	if err != nil {
		return err
	}
	b.objects[id] = o
	b.byOffset[offset] = id
	b.depth[id] = depth
	return nil
}

// finish resolves the deltas. Each round resolves at least one link of every
// chain, so the limit on depth bounds the rounds.
func (b *packBuilder) finish() (pack, error) {
	for round := 0; len(b.waiting) > 0; round++ {
		if round > b.limits.deltaDepth {
			return nil, fmt.Errorf("read pack: deltas are more than %d deep", b.limits.deltaDepth)
		}
		var left []waitingDelta
		for _, w := range b.waiting {
			done, err := b.resolve(w)
			if err != nil {
				return nil, fmt.Errorf("read pack: delta at offset %d: %w", w.offset, err)
			}
			if !done {
				left = append(left, w)
			}
		}
		if len(left) == len(b.waiting) {
			return nil, errors.New("read pack: a delta has no base in the pack")
		}
		b.waiting = left
	}
	return b.objects, nil
}

func (b *packBuilder) resolve(w waitingDelta) (bool, error) {
	id := w.entry.baseID
	if w.entry.kind == entryOffsetDelta {
		var ok bool
		if id, ok = b.byOffset[w.entry.baseOffset]; !ok {
			return false, nil
		}
	}
	base, ok := b.objects[id]
	if !ok {
		return false, nil
	}
	depth := b.depth[id] + 1
	if depth > b.limits.deltaDepth {
		return false, fmt.Errorf("deltas are more than %d deep", b.limits.deltaDepth)
	}
	data, err := applyDelta(base.data, w.entry.data, func(size uint64) error {
		if size > uint64(b.limits.objectBytes) {
			return fmt.Errorf("object of %d bytes; at most %d are allowed", size, b.limits.objectBytes)
		}
		if b.total += int64(size); b.total > b.limits.totalBytes {
			return fmt.Errorf("objects are larger than %d bytes in all", b.limits.totalBytes)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	return true, b.put(w.offset, object{base.kind, data}, depth)
}

var errBadDelta = errors.New("malformed delta")

// applyDelta makes an object from its base (gitformat-pack(5), "Deltified
// representation"). allow is asked about the size of the result before memory is
// taken for it.
func applyDelta(base, delta []byte, allow func(size uint64) error) ([]byte, error) {
	baseSize, delta, err := deltaSize(delta)
	if err != nil || baseSize != uint64(len(base)) {
		return nil, errBadDelta
	}
	size, delta, err := deltaSize(delta)
	if err != nil {
		return nil, err
	}
	if err := allow(size); err != nil {
		return nil, err
	}
	result := make([]byte, 0, size)
	for len(delta) > 0 {
		var piece []byte
		if piece, delta, err = deltaPiece(base, delta); err != nil {
			return nil, err
		}
		if uint64(len(result)+len(piece)) > size {
			return nil, errBadDelta
		}
		result = append(result, piece...)
	}
	if uint64(len(result)) != size {
		return nil, errBadDelta
	}
	return result, nil
}

// deltaPiece carries out one instruction: copy from the base, or insert.
func deltaPiece(base, delta []byte) (piece, rest []byte, err error) {
	op := delta[0]
	delta = delta[1:]
	if op&0x80 == 0 {
		n := int(op)
		if n == 0 || n > len(delta) {
			return nil, nil, errBadDelta
		}
		return delta[:n], delta[n:], nil
	}
	var args [7]byte // four of the offset, three of the size, little-endian
	for i := range args {
		if op&(1<<i) == 0 {
			continue
		}
		if len(delta) == 0 {
			return nil, nil, errBadDelta
		}
		args[i], delta = delta[0], delta[1:]
	}
	offset := uint64(args[0]) | uint64(args[1])<<8 | uint64(args[2])<<16 | uint64(args[3])<<24
	n := uint64(args[4]) | uint64(args[5])<<8 | uint64(args[6])<<16
	if n == 0 {
		n = 0x10000
	}
	if offset+n > uint64(len(base)) {
		return nil, nil, errBadDelta
	}
	return base[offset : offset+n], delta, nil
}

func deltaSize(b []byte) (uint64, []byte, error) {
	var size uint64
	for i, c := range b {
		if i > 8 {
			break
		}
		size |= uint64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return size, b[i+1:], nil
		}
	}
	return 0, nil, errBadDelta
}
