// echo.go - echo on Go's net, TCP or UDP: a goroutine and a 64 KiB buffer per
// connection, without limits, timeouts or counters.
//
//	echo_go [-udp] PORT
//
// Prints "listening 127.0.0.1:PORT".
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
)

const (
	buffer        = 64 << 10
	receiveBuffer = 4 << 20 // the default loses datagrams as soon as hundreds are in flight
)

func main() {
	udp := flag.Bool("udp", false, "serve datagrams")
	flag.Parse()
	at := "127.0.0.1:" + flag.Arg(0)
	if *udp {
		datagrams(at)
	}
	listener, err := net.Listen("tcp", at)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr())
	for {
		peer, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go stream(peer)
	}
}

// Not io.Copy, which would splice(2): that is slower for small messages.
func stream(peer net.Conn) {
	defer peer.Close()
	bytes := make([]byte, buffer)
	for {
		count, err := peer.Read(bytes)
		if err != nil {
			return
		}
		if _, err := peer.Write(bytes[:count]); err != nil {
			return
		}
	}
}

func datagrams(at string) {
	bound, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at)))
	if err != nil {
		log.Fatal(err)
	}
	if err := bound.SetReadBuffer(receiveBuffer); err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", bound.LocalAddr())
	bytes := make([]byte, buffer)
	for {
		count, peer, err := bound.ReadFromUDPAddrPort(bytes)
		if err != nil {
			log.Fatal(err)
		}
		// One that cannot be sent is lost, as datagrams are.
		_, _ = bound.WriteToUDPAddrPort(bytes[:count], peer)
	}
}
