package main

import (
	"fmt"
	"io"
	"net"
	"testing"
)

func TestMeterCountsBothDirections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() { // answers "hello" with "hello to you"
		server, err := listener.Accept()
		if err != nil {
			return
		}
		defer server.Close()
		question := make([]byte, 5)
		if _, err := io.ReadFull(server, question); err == nil {
			fmt.Fprintf(server, "%s to you", question)
		}
	}()
	m, err := newMeter(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var answer []byte
	counted, err := m.counted(func() error {
		client, err := net.Dial("tcp", m.listener.Addr().String())
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := io.WriteString(client, "hello"); err != nil {
			return err
		}
		answer, err = io.ReadAll(client)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(answer) != "hello to you" || counted != 5+12 {
		t.Errorf("answer %q, %v bytes counted", answer, counted)
	}
	if err := m.close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", m.listener.Addr().String()); err == nil {
		t.Error("still listening after close")
	}
}

// A connection that is kept open does not keep the meter from ending.
func TestMeterEndsOpenConnections(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	m, err := newMeter(t.Context(), listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", m.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := m.close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is still open")
	}
}
