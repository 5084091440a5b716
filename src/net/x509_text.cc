#include "net/x509_text.h"

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

namespace fairlead {

std::string x509_name_text(const X509_name_st* name) {
  struct Free {
    void operator()(BIO* bio) const { BIO_free_all(bio); }
  };
  const std::unique_ptr<BIO, Free> text(BIO_new(BIO_s_mem()));
  if (!text) return {};
  X509_NAME_print_ex(text.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char* data = nullptr;
  const long size = BIO_get_mem_data(text.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

milliseconds x509_time(const asn1_string_st* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return seconds{::timegm(&parts)};
}

}  // namespace fairlead
