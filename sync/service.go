package sync

// The services of smart HTTP (gitprotocol-http(5)).
const (
	uploadPack  = "git-upload-pack"
	receivePack = "git-receive-pack"
)

// mainRef is the branch that people write.
const mainRef = "refs/heads/main"
