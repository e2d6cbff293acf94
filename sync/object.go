package sync

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/pjbgf/sha1cd"
)

// objectID is the SHA-1 name of an object.
type objectID [20]byte

func (id objectID) String() string { return hex.EncodeToString(id[:]) }

// zeroID stands for "no object" in ref updates.
const zeroID = "0000000000000000000000000000000000000000"

// parseID accepts a full name in lower-case hexadecimal digits and nothing else,
// so that what comes from outside can never be read as a revision expression.
func parseID(s string) (objectID, error) {
	var id objectID
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("object name %q is not 40 hexadecimal digits", clip(s))
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return id, fmt.Errorf("object name %q is not 40 lower-case hexadecimal digits", clip(s))
		}
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

// objectKind is the type of an object, numbered as in pack entries.
type objectKind byte

const (
	kindCommit objectKind = 1
	kindTree   objectKind = 2
	kindBlob   objectKind = 3
	kindTag    objectKind = 4
)

func (k objectKind) String() string {
	switch k {
	case kindCommit:
		return "commit"
	case kindTree:
		return "tree"
	case kindBlob:
		return "blob"
	case kindTag:
		return "tag"
	}
	return "object of kind " + strconv.Itoa(int(k))
}

// object is one object as it is stored: its kind and its content.
type object struct {
	kind objectKind
	data []byte
}

var errCollision = errors.New("content shows signs of a SHA-1 collision attack")

// id names the object. Content made by one of the known attacks on SHA-1 is
// refused, because a signature over a commit covers its files by SHA-1 alone.
func (o object) id() (objectID, error) {
	h := sha1cd.New().(sha1cd.CollisionResistantHash)
	fmt.Fprintf(h, "%s %d\x00", o.kind, len(o.data))
	h.Write(o.data)
	sum, collision := h.CollisionResistantSum(nil)
	if collision {
		return objectID{}, errCollision
	}
	return objectID(sum), nil
}

// clip bounds text from outside for use in an error and takes out what could
// confuse a terminal or a log.
func clip(s string) string {
	const most = 100
	s = printable(s)
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || unicode.IsPrint(c) {
			return c
		}
		return '?'
	}, s)
}
