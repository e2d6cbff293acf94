package renderer_test

import (
	"io/fs"
	"math/rand/v2"
	"testing/fstest"
)

// shuffled lists folders in an order of its own.
type shuffled struct {
	fstest.MapFS
	seed uint64
}

func (s shuffled) Open(name string) (fs.File, error) {
	file, err := s.MapFS.Open(name)
	if dir, ok := file.(fs.ReadDirFile); ok {
		return shuffledDir{dir, s.seed}, err
	}
	return file, err
}

func (s shuffled) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := s.MapFS.ReadDir(name)
	return mix(entries, s.seed), err
}

type shuffledDir struct {
	fs.ReadDirFile
	seed uint64
}

func (d shuffledDir) ReadDir(n int) ([]fs.DirEntry, error) {
	entries, err := d.ReadDirFile.ReadDir(n)
	return mix(entries, d.seed), err
}

func mix(entries []fs.DirEntry, seed uint64) []fs.DirEntry {
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	return entries
}
