package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"

	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

const commitMessage = "desired state"

// sharedLayer is the files of a layer that clusters have in common: 1.5 kB each.
func sharedLayer(files int) map[string][]byte {
	layer := map[string][]byte{}
	for i := range files {
		layer[fmt.Sprintf("%s/10-shared/configmap.shared.c%02d.yaml", schemas.LayersDir, i)] = []byte(fileText(fmt.Sprintf("file-%d", i), 1500))
	}
	return layer
}

// fileText is lines that differ, of about size bytes.
func fileText(name string, size int) string {
	var text strings.Builder
	for i := 0; text.Len() < size; i++ {
		fmt.Fprintf(&text, "%s-%d: %x\n", name, i, uint32(i+1)*2654435761)
	}
	return text.String()
}

// desiredBranches are new branches of four objects each that are their own (commit,
// root tree, cluster.yaml, infrastructure.yaml), and one layer that they share.
func desiredBranches(count, sharedFiles int) []sync.Update {
	shared := sharedLayer(sharedFiles)
	updates := make([]sync.Update, count)
	for i := range updates {
		files := maps.Clone(shared)
		name := clusterName(i)
		files[schemas.DesiredClusterFile] = []byte(fileText(name, 800))
		files[schemas.DesiredInfrastructureFile] = []byte(fileText("infrastructure-of-"+name, 400))
		updates[i] = sync.Update{Ref: schemas.DesiredRef(name), Files: files, Message: commitMessage, When: commitTime()}
	}
	return updates
}

// statusBranches are one status a cluster.
func statusBranches(count int) []sync.Update {
	updates := make([]sync.Update, count)
	for i := range updates {
		updates[i] = statusUpdate(clusterName(i), "", 0)
	}
	return updates
}

// statusUpdate is one status of about the size that agents write.
func statusUpdate(cluster, expect string, sequence int) sync.Update {
	return sync.Update{
		Ref: schemas.AgentStatusRef(cluster), Expect: expect, Message: "status", When: commitTime(),
		Files: map[string][]byte{schemas.StatusFile: []byte(fileText(fmt.Sprintf("%s-%d", cluster, sequence), 1500))},
	}
}

func clusterName(i int) string { return fmt.Sprintf("c%05d", i) }

func newSigner() (*sync.Signer, error) { return sync.GenerateSigner(rand.Reader) }

// fastImport is the same branches as the input of git fast-import: files that
// several branches have are sent once, as whoever writes such a stream would do.
// Its commits bear no signatures, which git of this age cannot import.
func fastImport(updates []sync.Update) []byte {
	uses := map[string]int{}
	for _, u := range updates {
		for _, content := range u.Files {
			uses[string(content)]++
		}
	}
	var stream bytes.Buffer
	marks := map[string]int{}
	for _, u := range updates {
		for _, path := range slices.Sorted(maps.Keys(u.Files)) {
			content := string(u.Files[path])
			if uses[content] > 1 && marks[content] == 0 {
				marks[content] = len(marks) + 1
				fmt.Fprintf(&stream, "blob\nmark :%d\ndata %d\n%s\n", marks[content], len(content), content)
			}
		}
		writeFastImportCommit(&stream, u, marks)
	}
	stream.WriteString("done\n")
	return stream.Bytes()
}

func writeFastImportCommit(stream *bytes.Buffer, u sync.Update, marks map[string]int) {
	fmt.Fprintf(stream, "commit %s\ncommitter bench <bench@branchline.dev> %d +0000\ndata %d\n%s\n",
		u.Ref, u.When.Unix(), len(u.Message), u.Message)
	for _, path := range slices.Sorted(maps.Keys(u.Files)) {
		content := u.Files[path]
		if mark := marks[string(content)]; mark > 0 {
			fmt.Fprintf(stream, "M 100644 :%d %s\n", mark, path)
		} else {
			fmt.Fprintf(stream, "M 100644 inline %s\ndata %d\n%s\n", path, len(content), content)
		}
	}
	stream.WriteByte('\n')
}
