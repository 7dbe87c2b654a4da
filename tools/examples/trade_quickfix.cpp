// A FIX client on QuickFIX in C++: logs on, sends a burst of orders, and hears everything exactly once, whatever
// happens to the line meanwhile. Each message is held against the venue's own dictionary.
//
//   apt-get install g++ libquickfix-dev
//   g++ -std=c++14 -O1 -o trade_quickfix trade_quickfix.cpp -lquickfix -lpthread
//   ./trade_quickfix HOST PORT VERSION COMP_ID ORDERS FOLDER      (VERSION: 4.2, 4.4 or 5.0sp2)
//
// FOLDER keeps the session's numbers, and has the dictionaries that `vesta fix dictionary` writes: 4.2.xml, 4.4.xml, or
// fixt1.1.xml and 5.0sp2.xml. A line on stdout for each report, as it is told: ClOrdID, ExecID, ExecType.

#include <chrono>
#include <condition_variable>
#include <fstream>
#include <iostream>
#include <mutex>
#include <set>
#include <string>

#include <quickfix/Application.h>
#include <quickfix/FileStore.h>
#include <quickfix/Session.h>
#include <quickfix/SessionSettings.h>
#include <quickfix/SocketInitiator.h>

// Newer versions of QuickFIX have it, for compilers that know no exception specifications any more.
#ifndef EXCEPT
#define EXCEPT(...) throw(__VA_ARGS__)
#endif

namespace {

// How long nothing may come before it is given up.
constexpr std::chrono::minutes PATIENCE(4);

class Trader : public FIX::NullApplication {
public:
    Trader(const std::string& version, const std::string& comp_id, int orders) : version_(version) {
        for (int n = 0; n < orders; n++) unfilled_.insert(comp_id + "-" + std::to_string(n));
    }

    // Empty if every order was filled, else what went wrong.
    std::string wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        // As long as something comes, however slowly, it goes on.
        const auto done = [this] { return unfilled_.empty() || !wrong_.empty(); };
        while (!done()) {
            const auto more = [this, before = heard_] { return heard_ != before; };
            if (!changed_.wait_for(lock, PATIENCE, more)) return "nothing comes, and not all orders were filled";
        }
        return wrong_;
    }

    void onLogon(const FIX::SessionID& session) override {
        std::set<std::string> ids;
        {
            const std::lock_guard<std::mutex> lock(mutex_);
            // Once: a message that is sent without a line is kept under its number, and asked for.
            if (sent_) return;
            sent_ = true;
            ids = unfilled_;
        }
        for (const auto& id : ids) {
            FIX::Message order;
            order.getHeader().setField(FIX::MsgType("D"));
            order.setField(FIX::ClOrdID(id));
            if (version_ == "4.2") order.setField(FIX::HandlInst('1'));
            order.setField(FIX::Symbol("BTC-USD"));
            order.setField(FIX::Side(FIX::Side_BUY));
            order.setField(FIX::TransactTime());
            order.setField(FIX::OrderQty(1));
            order.setField(FIX::OrdType(FIX::OrdType_LIMIT));
            order.setField(FIX::Price(100));
            order.setField(FIX::TimeInForce(FIX::TimeInForce_DAY));
            FIX::Session::sendToTarget(order, session);
        }
    }

    // A Reject(3) from either side: one of the two has another dictionary.
    void toAdmin(FIX::Message& message, const FIX::SessionID&) override { look(message); }
    void fromAdmin(const FIX::Message& message, const FIX::SessionID&) EXCEPT(
        FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::RejectLogon) override {
        look(message);
    }

    void fromApp(const FIX::Message& message, const FIX::SessionID&) EXCEPT(
        FIX::FieldNotFound, FIX::IncorrectDataFormat, FIX::IncorrectTagValue, FIX::UnsupportedMessageType) override {
        const std::lock_guard<std::mutex> lock(mutex_);
        heard_++;
        if (message.getHeader().getField(35) != "8") {
            wrong_ = message.toString();
        } else {
            const std::string& id = message.getField(11);
            std::cout << id << ' ' << message.getField(17) << ' ' << message.getField(150) << std::endl;
            if (message.getField(39) == "2") unfilled_.erase(id);
        }
        changed_.notify_all();
    }

private:
    void look(const FIX::Message& message) {
        if (message.getHeader().getField(35) != "3") return;
        const std::lock_guard<std::mutex> lock(mutex_);
        wrong_ = message.toString();
        heard_++;
        changed_.notify_all();
    }

    const std::string version_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> unfilled_;
    std::string wrong_;
    // Messages that say something of the orders.
    unsigned heard_ = 0;
    bool sent_ = false;
};

}  // namespace

int main(int count, char** args) {
    if (count != 7) {
        std::cerr << "usage: " << args[0] << " HOST PORT VERSION COMP_ID ORDERS FOLDER" << std::endl;
        return 2;
    }
    const std::string host = args[1], port = args[2], version = args[3], comp_id = args[4], folder = args[6];
    const std::string path = folder + "/trade.cfg";
    std::ofstream file(path);
    file << "[DEFAULT]\nConnectionType=initiator\nStartTime=00:00:00\nEndTime=00:00:00\nHeartBtInt=30\n"
         << "ReconnectInterval=1\nResetOnLogon=N\nSocketNodelay=Y\nUseDataDictionary=Y\n"
         << "FileStorePath=" << folder << "/store\n[SESSION]\nSenderCompID=" << comp_id << "\nTargetCompID=VESTA\n"
         << "SocketConnectHost=" << host << "\nSocketConnectPort=" << port << '\n';
    if (version == "5.0sp2") {
        file << "BeginString=FIXT.1.1\nDefaultApplVerID=FIX.5.0SP2\n"
             << "TransportDataDictionary=" << folder << "/fixt1.1.xml\nAppDataDictionary=" << folder << "/5.0sp2.xml\n";
    } else {
        file << "BeginString=FIX." << version << "\nDataDictionary=" << folder << '/' << version << ".xml\n";
    }
    file.close();
    try {
        Trader trader(version, comp_id, std::stoi(args[5]));
        const FIX::SessionSettings settings(path);
        FIX::FileStoreFactory store(settings);
        FIX::SocketInitiator initiator(trader, store, settings);
        initiator.start();
        const std::string wrong = trader.wait();
        initiator.stop();
        if (!wrong.empty()) std::cerr << wrong << std::endl;
        return wrong.empty() ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << error.what() << std::endl;
        return 1;
    }
}
