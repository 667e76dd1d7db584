# Builds and installs the C and C++ packages: make install PREFIX=/usr/local. Cargo does the building.
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
CARGO ?= cargo
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
TARGET := $(or $(CARGO_TARGET_DIR),target)/release
# The number of the binary interface, BLO_ABI_VERSION.
ABI := 0

ifeq ($(shell uname -s),Darwin)
SHARED := libblo.$(ABI).dylib
LINK := libblo.dylib
BUILT := libblo.dylib
NATIVE := -lSystem -lc -lm
else
SHARED := libblo.so.$(ABI)
LINK := libblo.so
BUILT := libblo.so
NATIVE := -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc
endif

SUBSTITUTE = sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@VERSION@|$(VERSION)|g' \
	-e 's|@NATIVE@|$(NATIVE)|g' -e 's|@SHARED@|$(SHARED)|g'

all:
	$(CARGO) build --release --lib

install: all
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/blo
	install -m 644 include/blo.h bindings/cpp/blo.hpp $(DESTDIR)$(PREFIX)/include
	install -m 644 $(TARGET)/libblo.a $(DESTDIR)$(LIBDIR)
	install -m 755 $(TARGET)/$(BUILT) $(DESTDIR)$(LIBDIR)/$(SHARED)
	ln -sf $(SHARED) $(DESTDIR)$(LIBDIR)/$(LINK)
	$(SUBSTITUTE) bindings/blo.pc.in >$(DESTDIR)$(LIBDIR)/pkgconfig/blo.pc
	$(SUBSTITUTE) bindings/bloConfig.cmake.in >$(DESTDIR)$(LIBDIR)/cmake/blo/bloConfig.cmake
	$(SUBSTITUTE) bindings/bloConfigVersion.cmake.in >$(DESTDIR)$(LIBDIR)/cmake/blo/bloConfigVersion.cmake

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/include/blo.h $(DESTDIR)$(PREFIX)/include/blo.hpp
	rm -f $(DESTDIR)$(LIBDIR)/libblo.a $(DESTDIR)$(LIBDIR)/$(SHARED) $(DESTDIR)$(LIBDIR)/$(LINK)
	rm -f $(DESTDIR)$(LIBDIR)/pkgconfig/blo.pc
	rm -rf $(DESTDIR)$(LIBDIR)/cmake/blo

.PHONY: all install uninstall
