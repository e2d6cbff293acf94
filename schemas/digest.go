package schemas

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// DigestOf is the digest (sha256:hex) of data, as infrastructure.yaml is named
// in a root manifest.
func DigestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// LayerDigest is the digest (sha256:hex) of the files of a layer, by name. Each
// file adds its name, a zero byte, its length (8 bytes, big-endian) and its
// content, in the order of names, so that no two sets of files can be confused.
func LayerDigest(files map[string][]byte) string {
	hash := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		hash.Write([]byte(name))
		hash.Write([]byte{0})
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(files[name]))))
		hash.Write(files[name])
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

// ComputeDigest is what the field Digest must hold: the digest of everything
// that decides what the cluster becomes, which leaves out generation, source
// and renderer. A reader compares it with the field to see that the document is
// whole.
func (s DesiredClusterSpec) ComputeDigest() string {
	s.Generation, s.Source, s.Renderer, s.Digest = 0, SourceRef{}, "", ""
	data, err := json.Marshal(s)
	if err != nil {
		// Every field of the document is a string, number or boolean.
		panic(fmt.Sprintf("encode a DesiredClusterSpec: %v", err))
	}
	return DigestOf(data)
}
