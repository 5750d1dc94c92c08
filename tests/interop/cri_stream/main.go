// A container runtime's streaming server made of Kubernetes' own library (the one in containerd): exec runs the command on
// this host, attach runs cat, port-forward connects to 127.0.0.1. Prints its URL; ends with its stdin.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"

	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

type host struct{}

func (host) run(ctx context.Context, cmd []string, in io.Reader, out, err io.WriteCloser) error {
	c := exec.CommandContext(ctx, cmd[0], cmd[1:]...)
	if in != nil {
		// Not c.Stdin: Wait would wait for the end of our stdin too.
		pipe, e := c.StdinPipe()
		if e != nil {
			return e
		}
		go func() { io.Copy(pipe, in); pipe.Close() }()
	}
	if out != nil {
		c.Stdout = out
		defer out.Close()
	}
	if err != nil {
		c.Stderr = err
		defer err.Close()
	}
	failed := c.Run()
	if exit, ok := failed.(*exec.ExitError); ok {
		return &utilexec.ExitErrorWrapper{ExitError: exit}
	}
	return failed
}

func (h host) ExecInContainer(ctx context.Context, name, uid, container string, cmd []string, in io.Reader, out, err io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize, timeout time.Duration) error {
	if cmd[0] == "size" {
		size := <-resize
		fmt.Fprintf(out, "{\"Width\":%d,\"Height\":%d}\n", size.Width, size.Height)
		return out.Close()
	}
	return h.run(ctx, cmd, in, out, err)
}

func (h host) AttachContainer(ctx context.Context, name, uid, container string, in io.Reader, out, err io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) error {
	return h.run(ctx, []string{"cat"}, in, out, err)
}

func (host) PortForward(ctx context.Context, name, uid string, port int32, stream io.ReadWriteCloser) error {
	if port == 8080 { // echo
		_, err := io.Copy(stream, stream)
		return err
	}
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	defer conn.Close()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(conn, stream); conn.(*net.TCPConn).CloseWrite() })
	both.Go(func() { io.Copy(stream, conn); stream.Close() })
	both.Wait()
	return nil
}

func main() {
	const idle, creation = time.Hour, 30 * time.Second
	protocols := remotecommand.SupportedStreamingProtocols
	http.HandleFunc("/exec", func(w http.ResponseWriter, r *http.Request) {
		opts, _ := remotecommand.NewOptions(r)
		remotecommand.ServeExec(w, r, host{}, "p", "u", "c", r.URL.Query()["command"], opts, idle, creation, protocols)
	})
	http.HandleFunc("/attach", func(w http.ResponseWriter, r *http.Request) {
		opts, _ := remotecommand.NewOptions(r)
		remotecommand.ServeAttach(w, r, host{}, "p", "u", "c", opts, idle, creation, protocols)
	})
	http.HandleFunc("/portforward", func(w http.ResponseWriter, r *http.Request) {
		opts, _ := portforward.BuildV4Options(nil)
		portforward.ServePortForward(w, r, host{}, "p", "u", opts, idle, creation, portforward.SupportedProtocols)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go http.Serve(listener, nil)
	io.Copy(io.Discard, os.Stdin)
}
